import { printAttempts } from './detail-view.ts';
import { cliName } from './cli-name.ts';
import { fullTime, relativeTime, stateCell } from './format.ts';
import { isRecord, type JsonRecord, numberOf, recordOf, recordsOf, textOf, textsOf } from './json-value.ts';
import type { NameBook } from './names.ts';
import { paint, printable, printText } from './output.ts';
import { DEDUPED_BY, repetitionsText } from './why-duplicate.ts';

/** The story of an event, from its request to its last attempt; of one delivery alone when it is given. */
export async function tellEvent(trace: JsonRecord, names: NameBook, only?: JsonRecord): Promise<void> {
  const event = recordOf(trace['event']);
  printText(
    `${paint('bold', show(event, 'id'))} is an event ${paint('bold', show(event, 'type'))} from ` +
      `"${show(event, 'source')}", received ${fullTime(textOf(event, 'received_at') ?? '')}.`,
  );
  printText(verificationText(recordOf(trace['verification'])));
  printText(dedupeText(event, recordOf(trace['dedupe'])));
  const repetitions = repetitionsText(recordOf(trace['duplicates']));
  if (repetitions !== null) printText(repetitions);
  const schema = recordOf(trace['schema']);
  if (typeof schema['valid'] === 'boolean') printText(schemaText(schema));
  const parent = textOf(event, 'causation_id');
  if (parent !== null) printText(`It was caused by ${printable(parent)}.`);
  const hops = numberOf(trace, 'hops') ?? 0;
  if (hops > 0) printText(chainText(hops, textOf(trace, 'stopped')));
  await tellSubscriptions(recordsOf(trace['subscriptions']), event, names);
  const deliveries = recordsOf(trace['deliveries']);
  if (deliveries.length === 0 && recordsOf(trace['subscriptions']).length > 0) {
    printText('\nSo nobody was owed it.');
  }
  const shown = only === undefined ? deliveries : [only];
  for (const delivery of shown) await tellDelivery(delivery, names);
  if (shown.length < deliveries.length) {
    const others = deliveries.length - shown.length;
    printText(`\n${others} more: ${cliName()} why ${show(event, 'id')}`);
  }
  tellReplays(recordsOf(trace['replays']));
  tellChildren(recordsOf(trace['children']));
}

function show(record: JsonRecord, field: string): string {
  return printable(textOf(record, field) ?? '-');
}

const COVERS: Readonly<Record<string, string>> = {
  body: 'the proof covers the body',
  metadata: 'the proof covers the sender, not the body',
  nothing: 'nothing was proven: anyone who knows the URL can send this',
};

function verificationText(verification: JsonRecord): string {
  const principal = textOf(verification, 'principal');
  if (principal !== null) return `It was published with the API key "${printable(principal)}".`;
  const secret = numberOf(verification, 'secret_number');
  const parts = [COVERS[textOf(verification, 'covers') ?? ''] ?? 'the proof is unknown'];
  if (secret !== null) parts.push(`secret ${secret}${secret === 0 ? ', the newest' : ''}`);
  return `It was verified as ${show(verification, 'provider')}: ${parts.join('; ')}.`;
}

function chainText(hops: number, stopped: string | null): string {
  const deliveries = hops === 1 ? 'one delivery' : `${hops} deliveries in a row`;
  if (stopped === null) return `It is in a chain: ${deliveries} led to it.`;
  return (
    `${paint('red', 'Its chain was ended')}: ${deliveries} led to it, more than max_hops allows, so it owes ` +
    'nothing. Two subscriptions, gateways or agents probably feed each other: look for the loop, and ' +
    'replay the event if there is none.'
  );
}

function schemaText(schema: JsonRecord): string {
  const version = numberOf(schema, 'type_version');
  const against = version === null ? 'the schema of its source' : `version ${version} of its type`;
  if (schema['valid'] === true) return `It fits ${against}.`;
  return `It does ${paint('red', 'not fit')} ${against}: ${printable(textOf(schema, 'mismatch') ?? '')}`;
}

/** What becomes of an event of another version than the subscription asks for. */
function conversionText(conversion: JsonRecord): string {
  const versions = `from version ${numberOf(conversion, 'from')} to ${numberOf(conversion, 'to')}`;
  const error = textOf(conversion, 'error');
  return error === null ? `, converted ${versions}` : `, but ${printable(error)}`;
}

function dedupeText(event: JsonRecord, dedupe: JsonRecord): string {
  const key = textOf(dedupe, 'key');
  if (key === null) {
    const external = textOf(event, 'external_id');
    const name = external === null ? '' : `Its sender calls it ${printable(external)}. `;
    return `${name}It has no de-duplication key, so a repeated request would be a new event.`;
  }
  const by = DEDUPED_BY[textOf(dedupe, 'by') ?? ''] ?? 'a key';
  const then =
    dedupe['held'] === true
      ? 'a repeated request with that gives this event again.'
      : 'the time for which that is remembered is over: a repetition would be a new event.';
  return `It is known by ${by}, ${printable(key)}; ${then}`;
}

async function tellSubscriptions(
  considered: readonly JsonRecord[],
  event: JsonRecord,
  names: NameBook,
): Promise<void> {
  if (considered.length === 0) {
    printText(`\nThere was no subscription, so nobody was owed it. Make one, then replay it:`);
    printText(`  ${cliName()} subscriptions create --name NAME --destination-id DESTINATION`);
    printText(`  ${cliName()} replays create --event-ids ${show(event, 'id')}`);
    return;
  }
  printText(`\n${paint('bold', 'subscriptions')} (as they were when it came)`);
  for (const one of considered) {
    const matched = one['matched'] === true;
    const mark = matched ? paint('green', 'yes') : paint('red', 'no ');
    const destination = await names.nameOf('destinations', textOf(one, 'destination_id'));
    const conversion = isRecord(one['conversion']) ? conversionText(one['conversion']) : '';
    const order = isRecord(one['order']) ? orderText(one['order']) : '';
    const taken = `goes to ${destination}${conversion}${order}`;
    const reason = matched ? taken : await refusalText(one, event, names);
    printText(`  ${mark}  ${show(one, 'name')}: ${reason}`);
  }
}

/** By what it keeps its turn, or why it has none although the subscription asks for order. */
function orderText(order: JsonRecord): string {
  const key = textOf(order, 'key');
  if (key !== null) return `, in the order of ${printable(key)}`;
  const error = textOf(order, 'error');
  const why = error === null ? 'it has no key' : `its session_key fails: ${printable(error)}`;
  return `, ${paint('red', 'without order')}: ${why}`;
}

/** Why a subscription did not take the event, with what it wants where that can be shown. */
async function refusalText(one: JsonRecord, event: JsonRecord, names: NameBook): Promise<string> {
  const now = (await names.find('subscriptions', textOf(one, 'subscription_id') ?? '')) ?? {};
  const detail = textOf(one, 'detail');
  switch (textOf(one, 'reason') ?? '') {
    case 'disabled':
      return 'it was disabled';
    case 'expired':
      return 'it had expired';
    case 'source_differs': {
      const wanted = await Promise.all(textsOf(now['sources']).map((id) => names.nameOf('sources', id)));
      return `it takes other sources${listed(wanted)}, not "${show(event, 'source')}"`;
    }
    case 'type_differs':
      return `it takes other types${listed(textsOf(now['types']))}, not ${show(event, 'type')}`;
    case 'filter_false':
      return `its filter said no${quoted(textOf(now, 'filter'))}`;
    case 'filter_failed':
      return `its filter could not be evaluated: ${printable(detail ?? 'unknown')}${quoted(textOf(now, 'filter'))}`;
    case 'chain_stopped':
      return `it would have taken it, but ${printable(detail ?? 'its chain was ended')}`;
    default:
      return printable([textOf(one, 'reason'), detail].filter((part) => part !== null).join(': '));
  }
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? '' : ` (${printable(items.join(', '))})`;
}

function quoted(filter: string | null): string {
  return filter === null ? '' : `: ${printable(filter)}`;
}

const REASONS: Readonly<Record<string, string>> = {
  attempts_exhausted: 'every attempt that its policy allows was used up',
  destination_disabled: 'the destination is disabled',
  destination_gone: 'the receiver answered 410: it wants no more',
  destination_deleted: 'the destination was deleted',
  subscription_deleted: 'the subscription was deleted',
  cancelled_by_operator: 'someone cancelled it',
  transform_failed: "the subscription's transform cannot be evaluated for it",
  conversion_failed: 'it cannot be converted to the version of its type that the subscription asks for',
};

async function tellDelivery(delivery: JsonRecord, names: NameBook): Promise<void> {
  const id = textOf(delivery, 'destination_id');
  const destination = id === null ? null : await names.find('destinations', id);
  const state = stateCell(textOf(delivery, 'state') ?? '');
  const painted = typeof state === 'string' ? state : paint(state.style, state.text);
  const to = await names.nameOf('destinations', id);
  const url = textOf(destination, 'url');
  const where = url === null ? to : `${to} (${printable(url)})`;
  printText(`\n${paint('bold', show(delivery, 'id'))} to ${where}: ${painted}`);
  const replayed = textOf(delivery, 'replay_of');
  if (replayed !== null) printText(`  It replays ${printable(replayed)}.`);
  const attempts = recordsOf(delivery['attempts']);
  for (const hold of recordsOf(delivery['held'])) printText(`  ${holdText(hold)}`);
  for (const line of stateLines(delivery, destination, attempts.length)) printText(`  ${line}`);
  if (attempts.length > 0) printAttempts(attempts, '  ');
}

const HELD: Readonly<Record<string, string>> = {
  paused: 'The destination was paused',
  disabled: 'The destination was disabled',
  suspended: 'The subscription was suspended',
  breaker_open: 'The breaker of the destination was open',
};

function holdText(hold: JsonRecord): string {
  const until = textOf(hold, 'until');
  const reason = textOf(hold, 'reason');
  const by = textOf(hold, 'by') ?? 'gateway';
  const what = HELD[textOf(hold, 'what') ?? ''] ?? 'It was held';
  const end = until === null ? 'until now' : `to ${fullTime(until)}`;
  const who = by === 'gateway' ? '' : `, by ${printable(by)}`;
  const why = reason === null ? '' : `: ${printable(reason)}`;
  return `${what} from ${fullTime(textOf(hold, 'from') ?? '')} ${end}${who}${why}.`;
}

function stateLines(delivery: JsonRecord, destination: JsonRecord | null, attempts: number): string[] {
  const reason = textOf(delivery, 'reason');
  const why = reason === null ? '' : printable(REASONS[reason] ?? reason);
  const next = textOf(delivery, 'next_attempt_at');
  switch (textOf(delivery, 'state') ?? '') {
    case 'pending':
      if (textOf(destination, 'state') === 'paused') {
        return [
          `The destination is paused: ${cliName()} destinations resume ${show(destination ?? {}, 'name')}`,
        ];
      }
      if (reason === 'subscription_suspended') {
        return [
          `Its subscription is suspended: ${cliName()} subscriptions resume ${show(delivery, 'subscription_id')}`,
        ];
      }
      return [
        attempts === 0
          ? 'No attempt was made yet.'
          : `The next attempt is ${next === null ? 'not planned' : relativeTime(next)}; ` +
            `now: ${cliName()} deliveries retry ${show(delivery, 'id')}`,
      ];
    case 'leased':
      return ['An attempt is under way.'];
    case 'dead':
      return [
        `It is a dead letter: ${why === '' ? 'no reason is kept' : why}.`,
        `To deliver it again: ${cliName()} replays create --delivery-ids ${show(delivery, 'id')}`,
      ];
    case 'cancelled':
      return [`It was cancelled: ${why === '' ? 'no reason is kept' : why}.`];
    default:
      return [];
  }
}

function tellReplays(replays: readonly JsonRecord[]): void {
  if (replays.length === 0) return;
  printText(`\n${paint('bold', 'replays')}`);
  for (const replay of replays) {
    printText(
      `  ${show(replay, 'id')}  ${show(replay, 'state')}, made ${fullTime(textOf(replay, 'created_at') ?? '')} ` +
        `by ${show(replay, 'created_by')}`,
    );
  }
}

function tellChildren(children: readonly JsonRecord[]): void {
  if (children.length === 0) return;
  printText(`\n${paint('bold', 'events that it caused')}`);
  for (const child of children) printText(`  ${show(child, 'id')}  ${show(child, 'type')}`);
}
