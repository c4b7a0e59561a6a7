import { fullTime } from './format.ts';
import { type JsonRecord, numberOf, recordOf, recordsOf, textOf } from './json-value.ts';
import { paint, printable, printText } from './output.ts';

/** By what repetitions are recognised, in words. */
export const DEDUPED_BY: Readonly<Record<string, string>> = {
  provider_event_id: 'the id that its sender gave it',
  expression: "the source's dedupe key",
  body: 'its body, for the sender gives no id',
  publisher_event_id: 'the id that its publisher gave it',
  idempotency_key: 'the Idempotency-Key of the request',
};

/** The request among those that repeated the event of a trace; `null` when it is not one of the newest. */
export function duplicateIn(trace: JsonRecord, requestId: string): JsonRecord | null {
  const newest = recordsOf(recordOf(trace['duplicates'])['newest']);
  return newest.find((duplicate) => duplicate['request_id'] === requestId) ?? null;
}

/** What became of a request that repeated an event. The story of that event follows. */
export function tellDuplicate(duplicate: JsonRecord, trace: JsonRecord): void {
  const event = recordOf(trace['event']);
  const how =
    textOf(duplicate, 'source_id') === null ? 'was published' : `came to "${show(event, 'source')}"`;
  const key = textOf(duplicate, 'principal');
  printText(
    `${paint('bold', show(duplicate, 'request_id'))} is a request that ${how} ` +
      `${fullTime(textOf(duplicate, 'at') ?? '')} from ${show(duplicate, 'remote_address')}` +
      `${key === null ? '' : ` with the API key "${printable(key)}"`}.`,
  );
  printText(
    `It ${paint('bold', 'repeated')} ${show(event, 'id')}, which had come ` +
      `${fullTime(textOf(event, 'received_at') ?? '')}, and was answered with that id. It was recognised by ` +
      `${DEDUPED_BY[textOf(duplicate, 'by') ?? ''] ?? 'a key'}${keyText(duplicate, trace)}; ` +
      'nothing new came of it.\n',
  );
}

/** The event's key, where it is the one by which the repetition was recognised. */
function keyText(duplicate: JsonRecord, trace: JsonRecord): string {
  const dedupe = recordOf(trace['dedupe']);
  const isSame = textOf(dedupe, 'by') === textOf(duplicate, 'by');
  const key = isSame ? textOf(dedupe, 'key') : textOf(trace['event'], 'external_id');
  return key === null ? '' : `, ${printable(key)}`;
}

/** How often an event came again, and when it last did; `null` when it did not. */
export function repetitionsText(duplicates: JsonRecord): string | null {
  const count = numberOf(duplicates, 'count') ?? 0;
  const [last] = recordsOf(duplicates['newest']);
  if (count === 0 || last === undefined) return null;
  const times = count === 1 ? 'once' : `${count} times`;
  return (
    `It came again ${times}, ${count === 1 ? '' : 'the last time '}${fullTime(textOf(last, 'at') ?? '')} ` +
    `from ${show(last, 'remote_address')} (${show(last, 'request_id')}); nothing new came of that.`
  );
}

function show(record: JsonRecord, field: string): string {
  return printable(textOf(record, field) ?? '-');
}
