import { z } from 'zod';
import type { PublishedEvent } from '../core/publish.ts';
import { type FieldError, Problem } from '../domain/problem.ts';
import { headerValue } from '../domain/event.ts';
import { isEventType } from '../domain/type-pattern.ts';
import { instantIn } from './fields.ts';
import { fieldErrors } from './invoke.ts';

type Unowned = Omit<PublishedEvent, 'tenant'>;

const ENCODER = new TextEncoder();

/** CloudEvents 1.0.2, section 3.1 (required) and 3.2 (optional attributes); extensions pass through. */
const attributes = z.looseObject({
  specversion: z.literal('1.0', 'only CloudEvents 1.0 is understood'),
  id: z.string().min(1).max(512),
  source: z.string().min(1).max(512),
  type: z.string().refine(isEventType, 'must be segments of letters, digits, "_" and "-" joined by "."'),
  subject: z.string().min(1).max(512).optional(),
  time: instantIn.optional(),
  datacontenttype: z.string().max(256).optional(),
  // Distributed Tracing and partitioning extensions of the specification's extensions folder.
  partitionkey: z.string().min(1).max(512).optional(),
  correlationid: z.string().min(1).max(128).optional(),
  causationid: z.string().min(1).max(128).optional(),
  // An extension of ours: the version of the type in the catalogue. In binary mode it comes as text.
  typeversion: z.coerce.number().int().min(1).optional(),
});

/** JSON event format: the whole event, attributes and data, is the body, and goes out as it came. */
export function structuredMode(value: unknown, body: Uint8Array, contentType: string): Unowned {
  const parsed = parse(value, '');
  return {
    ...common(parsed),
    contentType,
    body,
    parsed: { value },
    cloudEvent: 'structured',
  };
}

/** JSON batch format: each event goes out on its own, in structured mode. */
export function batchMode(value: unknown, limit: number): Unowned[] {
  if (!Array.isArray(value)) throw new Problem('body_malformed', 'a batch is a JSON list of CloudEvents');
  if (value.length > limit) {
    const errors = [{ pointer: '', message: `must hold at most ${limit} events` }];
    throw new Problem('validation_failed', 'the batch is too large', { errors });
  }
  return value.map((one: unknown, index) => ({
    ...common(parse(one, `/${index}`)),
    contentType: 'application/cloudevents+json; charset=utf-8',
    body: ENCODER.encode(JSON.stringify(one)),
    parsed: { value: one },
    cloudEvent: 'structured' as const,
  }));
}

/** HTTP binding 3.1: attributes are `ce-` headers, the body is the data as it is. */
export function binaryMode(headers: readonly string[], body: Uint8Array): Unowned {
  const found: Record<string, string> = {};
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase() ?? '';
    if (name.startsWith('ce-')) found[name.slice(3)] = percentDecoded(headers[index + 1] ?? '');
  }
  return {
    ...common(parse(found, '/headers')),
    contentType: headerValue(headers, 'content-type') ?? null,
    body,
    cloudEvent: 'binary',
  };
}

function common(event: z.output<typeof attributes>) {
  return {
    type: event.type,
    source: event.source,
    externalId: event.id,
    subject: event.subject ?? null,
    key: event.partitionkey ?? event.subject ?? null,
    occurredAt: event.time ?? null,
    correlationId: event.correlationid ?? null,
    causationId: event.causationid ?? null,
    ...(event.typeversion === undefined ? {} : { typeVersion: event.typeversion }),
  };
}

function parse(value: unknown, pointer: string): z.output<typeof attributes> {
  const parsed = attributes.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors: FieldError[] = fieldErrors(parsed.error, pointer);
  throw new Problem('validation_failed', 'this is not a CloudEvent that can be taken', { errors });
}

/** HTTP binding 3.1.3.2: what headers cannot carry is percent-encoded UTF-8. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
