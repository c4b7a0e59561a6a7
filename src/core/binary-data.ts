import { isRecord } from '../domain/json-record.ts';
import { type Event, isJsonType } from '../domain/event.ts';
import { parseJson } from './expression-input.ts';

/**
 * The data of an event that may be bytes of a message: the body, unless it is JSON by its content type; of
 * a structured CloudEvent its `data_base64` (JSON event format, section 3.1). `null` = it is none.
 */
export function binaryData({
  body,
  contentType,
  origin,
}: Pick<Event, 'body' | 'contentType' | 'origin'>): Uint8Array | null {
  if (origin.cloudEvent !== 'structured') return isJsonType(contentType) ? null : body;
  const envelope = parseJson(body);
  const text = isRecord(envelope) && envelope['data'] === undefined ? envelope['data_base64'] : undefined;
  return typeof text === 'string' ? base64Bytes(text) : null;
}

/** The parsed body of an event with its message as JSON in the place of the bytes. */
export function withData({ body, origin }: Pick<Event, 'body' | 'origin'>, data: unknown): unknown {
  if (origin.cloudEvent !== 'structured') return data;
  const envelope = parseJson(body);
  return isRecord(envelope) ? { ...envelope, data } : null;
}

function base64Bytes(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.codePointAt(0) ?? 0);
  } catch {
    return null;
  }
}
