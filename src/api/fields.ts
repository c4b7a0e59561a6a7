import { z } from 'zod';
import { Problem } from '../domain/problem.ts';
import { formatDuration, parseDuration, parseSize } from '../domain/units.ts';
import type { Page } from '../ports/queries.ts';

/** Nothing: for operations without path, query or body. */
export const nothing = z.strictObject({});
/** The output of operations that answer 204. */
export const noContent = z.undefined();

/** An id of any kind. Its shape is not checked: an unknown one is `not_found`, never a 422. */
export const id = z.string().min(1).max(64);
/** Path parameters of operations on one thing. */
export const idParams = z.strictObject({ id });

/** A time in answers: RFC 3339 in UTC with milliseconds. */
export const instant = z.iso.datetime({ offset: true }).describe('RFC 3339 time');
/** A time in requests, with any offset, as milliseconds since the epoch. */
export const instantIn = instant.transform((text) => Date.parse(text));

/** A duration such as `15s` or `7d`, between the two given. */
export function durationField(min: string, max: string) {
  const minMs = parseDuration(min) ?? 0;
  const maxMs = parseDuration(max) ?? Number.POSITIVE_INFINITY;
  return z
    .string()
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== null && ms >= minMs && ms <= maxMs) return ms;
      const message =
        ms === null
          ? `"${text}" is not a duration: write a number with a unit, such as 200ms, 15s, 5m, 2h or 7d`
          : `must be from ${min} to ${max}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .describe(`duration from ${min} to ${max}, e.g. 15s`);
}

/** A size in bytes, as a number or as text such as `64KiB`. */
export const sizeIn = z
  .union([z.int().positive(), z.string()])
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSize(value);
    if (bytes !== null && bytes > 0) return bytes;
    context.addIssue({ code: 'custom', message: `"${value}" is not a size: write bytes, or 64KiB, 1MiB` });
    return z.NEVER;
  })
  .describe('size in bytes, or text such as 64KiB');

/** A name that people give: 1 to 100 characters, none of them a control character. */
export const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]+$/u, 'must not contain control characters')
  .describe('what people call it');

/** A tenant. */
export const tenant = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"')
  .describe('whose it is; only for keys that are not bound to a tenant');

/** Text that travels in a header. */
export const headerText = z
  .string()
  .max(4_096)
  .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII');

/** A JSON object whose fields are checked elsewhere. */
export const record = z.record(z.string(), z.unknown());

/** At most `limit` in each `period`. */
export const rateLimitIn = z
  .strictObject({ limit: z.number().positive().max(1_000_000), period: durationField('100ms', '24h') })
  .transform(({ limit, period }) => ({ limit, periodMs: period }))
  .describe('at most `limit` in each `period`');

/** A rate limit in answers; `null` = none. */
export const rateLimitOut = z.object({ limit: z.number(), period: z.string() }).nullable();

/** Query parameters of every list. Numbers come as text in a URL. */
export const pageFields = {
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('items on a page, at most 500'),
  cursor: z.string().max(64).optional().describe('`next_cursor` of the page before'),
};

/** A page of a list; `next_cursor` is `null` on the last one. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}

/** Cursors are opaque to callers, so that what they hold can change. */
export function encodeCursor(place: number | string | null): string | null {
  return place === null ? null : btoa(`1:${place}`).replaceAll('=', '');
}

/** The place that a cursor stands for; throws a `Problem` (`validation_failed`) for one that is not ours. */
export function decodeCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  try {
    const text = atob(cursor);
    if (text.startsWith('1:') && text.length > 2) return text.slice(2);
  } catch {
    // Told below: whatever is wrong with it, the fix is the same.
  }
  throw unknownCursor();
}

function unknownCursor(): Problem {
  return new Problem('validation_failed', 'the cursor is not one that this server gave out', {
    errors: [{ pointer: '/query/cursor', message: 'use next_cursor of the page before, unchanged' }],
  });
}

/** The place in the log that a cursor names. */
export function logPlace(cursor: string | undefined): number | null {
  const place = decodeCursor(cursor);
  if (place === null) return null;
  if (!/^\d{1,16}$/.test(place) || !Number.isSafeInteger(Number(place))) throw unknownCursor();
  return Number(place);
}

/** The page that a list of the log was asked for. */
export function logPage(query: { limit: number; cursor?: string | undefined }) {
  return { limit: query.limit, before: logPlace(query.cursor) };
}

/** A page of the log as `listOf` describes it. */
export function listView<Item, View>(page: Page<Item>, view: (item: Item) => View) {
  return { data: page.items.map((item) => view(item)), next_cursor: encodeCursor(page.next) };
}

/** A page of settings, newest first; ids sort by age. */
export function settingsPage<Item extends { readonly id: string }>(
  items: readonly Item[],
  query: { limit: number; cursor?: string | undefined },
) {
  const before = decodeCursor(query.cursor);
  if (before !== null && !/^[a-z]{3}_/.test(before)) throw unknownCursor();
  const older = items.toReversed().filter((item) => before === null || item.id < before);
  const shown = older.slice(0, query.limit);
  const last = shown.at(-1);
  return { items: shown, next: older.length > shown.length && last !== undefined ? last.id : null };
}

/** A page of settings as `listOf` describes it, newest first. */
export function settingsList<Item extends { readonly id: string }, View>(
  items: readonly Item[],
  query: { limit: number; cursor?: string | undefined },
  view: (item: Item) => View,
) {
  const page = settingsPage(items, query);
  return { data: page.items.map((item) => view(item)), next_cursor: encodeCursor(page.next) };
}

/** Milliseconds since the epoch as RFC 3339 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** As `isoTime`, for what may not have happened. */
export function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}

/** A rate limit as `rateLimitOut` describes it. */
export function rateLimitView(rate: { limit: number; periodMs: number } | null) {
  return rate === null ? null : { limit: rate.limit, period: formatDuration(rate.periodMs) };
}

/** Headers as people read them: name, value pairs in order. */
export function headerPairs(headers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    pairs.push([headers[index] ?? '', headers[index + 1] ?? '']);
  }
  return pairs;
}

/** Headers as name, value pairs, in the order in which they came. */
export const headerPairsOut = z.array(z.tuple([z.string(), z.string()]));

/** A body as text where it is text, else base64, so that JSON can carry it. */
export function bodyView(body: Uint8Array): { body: string; body_encoding: 'utf8' | 'base64' } {
  try {
    return {
      body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body),
      body_encoding: 'utf8',
    };
  } catch {
    return { body: Buffer.from(body).toString('base64'), body_encoding: 'base64' };
  }
}

/** A field after a change: what the change says, `null` included, else what it was. */
export function keep<Value>(next: Value | undefined, before: Value): Value {
  return next === undefined ? before : next;
}
