import type { Command } from 'commander';
import { type ApiClient, ProblemFailure } from './api-client.ts';
import { cliName } from './cli-name.ts';
import { addConnectionOptions, connect, type CommandFlags } from './connect.ts';
import { type JsonRecord, recordOf, recordsOf, textOf } from './json-value.ts';
import { idPrefix, NameBook } from './names.ts';
import { failure, printable, printJson, usageFailure } from './output.ts';
import { duplicateIn, tellDuplicate } from './why-duplicate.ts';
import { tellEvent } from './why-event.ts';
import { tellRejection } from './why-rejection.ts';

/** Other things have a state, not a story: where to look at each. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  src: 'sources get',
  dst: 'destinations get',
  sub: 'subscriptions get',
  rpl: 'replays get',
};

/** `why ID`: what happened to one request, event or delivery, and for what reason. */
export function addWhyCommand(program: Command): void {
  const command = program
    .command('why')
    .argument('<id>', 'of an event, a delivery, a rejection or a request, or the id that the sender gave')
    .summary('what happened to a request, an event or a delivery, and for what reason')
    .description(
      'What happened to a request, an event or a delivery: how it was verified, which subscriptions took ' +
        'it and why others did not, every attempt; or which event it repeated; or why it was refused, and the ' +
        'likely fix.',
    );
  addConnectionOptions(command, { hasOwnUrl: false });
  command.action(async (given: string) => {
    const flags: CommandFlags = command.opts();
    await explain(connect(command), given, flags['json'] === true);
  });
}

async function explain(api: ApiClient, given: string, json: boolean): Promise<void> {
  const id = given.trim();
  if (id === '' || id === '.' || id === '..') throw usageFailure(`"${id}" is not an id`);
  const prefix = idPrefix(id);
  const elsewhere = prefix === null ? undefined : ELSEWHERE[prefix];
  if (elsewhere !== undefined) {
    throw usageFailure('why tells of events, deliveries, rejections and requests', [
      `to look at this: ${cliName()} ${elsewhere} ${id}`,
    ]);
  }
  if (prefix === 'dlv') return explainDelivery(api, id, json);
  if (prefix === 'rej') return explainRejection(api, id, json);
  if (prefix === 'req') return explainRequest(api, id, json);
  const trace = await findTrace(api, id, prefix);
  if (json) printJson(trace);
  else await tellEvent(trace, new NameBook(api));
}

async function explainDelivery(api: ApiClient, id: string, json: boolean): Promise<void> {
  const alone = recordOf(await api.call('GET', `/v1/deliveries/${id}`));
  const eventId = encodeURIComponent(textOf(alone, 'event_id') ?? '');
  const trace = recordOf(await api.call('GET', `/v1/events/${eventId}/trace`));
  // The trace also knows when its destination was held; it tells of the newest deliveries only.
  const delivery = recordsOf(trace['deliveries']).find((one) => one['id'] === id) ?? alone;
  if (json) printJson(delivery);
  else await tellEvent(trace, new NameBook(api), delivery);
}

/** A request was refused, or it brought an event, or it repeated one. */
async function explainRequest(api: ApiClient, id: string, json: boolean): Promise<void> {
  const rejection = await found(() => api.call('GET', `/v1/rejections/${id}`));
  if (rejection !== null) {
    if (json) printJson(rejection);
    else await tellRejection(recordOf(rejection), new NameBook(api));
    return;
  }
  const trace = await traceOfRequest(api, id);
  const duplicate = duplicateIn(trace, id);
  if (json) {
    printJson(duplicate === null ? trace : { ...trace, duplicate });
    return;
  }
  if (duplicate !== null) tellDuplicate(duplicate, trace);
  await tellEvent(trace, new NameBook(api));
}

/** Of the one event that the request brought or repeated. */
async function traceOfRequest(api: ApiClient, id: string): Promise<JsonRecord> {
  const [brought, repeated] = await Promise.all(
    ['request_id', 'repeated_by'].map(async (field) =>
      recordsOf(
        recordOf(await api.call('GET', '/v1/events', { query: { [field]: id, limit: '2' } }))['data'],
      ),
    ),
  );
  const events = new Set([...(brought ?? []), ...(repeated ?? [])].map((event) => textOf(event, 'id') ?? ''));
  const [only, another] = events;
  if (only === undefined) {
    throw failure(`no event and no rejection came of the request ${id}`, [
      'rejections are kept in a bounded number, events until their retention: either may be gone',
      'of the requests that repeat one event, the newest are remembered: an older one may be forgotten',
    ]);
  }
  if (another !== undefined) {
    throw failure('it is a batch of several events; ask about one of them:', [
      ...events,
      `all that it brought: ${cliName()} events list --request-id ${id}`,
      `all that it repeated: ${cliName()} events list --repeated-by ${id}`,
    ]);
  }
  return recordOf(await api.call('GET', `/v1/events/${encodeURIComponent(only)}/trace`));
}

async function explainRejection(api: ApiClient, id: string, json: boolean): Promise<void> {
  const rejection = await found(() => api.call('GET', `/v1/rejections/${id}`));
  if (rejection === null) {
    throw failure(`no rejection has the id ${id}`, [
      'rejections are kept in a bounded number: an old one may be gone',
    ]);
  }
  if (json) printJson(rejection);
  else await tellRejection(recordOf(rejection), new NameBook(api));
}

/** The trace by our id, by the sender's, or of the only event that mentions the text. */
async function findTrace(api: ApiClient, id: string, prefix: string | null): Promise<JsonRecord> {
  const direct = await found(() => api.call('GET', `/v1/events/${encodeURIComponent(id)}/trace`));
  if (direct !== null) return recordOf(direct);
  const none = `no event has the id ${printable(id)}`;
  if (prefix !== null) throw failure(none, ['it may be past its retention, or of another server or tenant']);
  // The sender's id is known for as long as the de-duplication window; older events are found by looking.
  let events = await listed(api, { external_id: id.slice(0, 512) });
  if (events.length === 0) events = await listed(api, { q: id.slice(0, 200) });
  const [only, another] = events.map((event) => textOf(event, 'id') ?? '');
  if (only !== undefined && another === undefined) {
    return recordOf(await api.call('GET', `/v1/events/${encodeURIComponent(only)}/trace`));
  }
  if (only === undefined) {
    throw failure(none, [
      'neither ours, nor one that a sender gave, nor a text in the body of an event',
      `was it refused? ${cliName()} rejections list`,
    ]);
  }
  throw failure(
    `several events mention ${printable(id)}; ask about one of them:`,
    events.map((event) =>
      printable(`${textOf(event, 'id')}  ${textOf(event, 'type')}  ${textOf(event, 'source')}`),
    ),
  );
}

async function listed(api: ApiClient, query: Record<string, string>): Promise<JsonRecord[]> {
  const page = recordOf(await api.call('GET', '/v1/events', { query: { ...query, limit: '5' } }));
  return recordsOf(page['data']);
}

/** `null` when the server says that there is no such thing, or that this cannot be an id. */
async function found(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    const isAbsent = error instanceof ProblemFailure && [404, 422].includes(error.status);
    if (isAbsent) return null;
    throw error;
  }
}
