import { isRecord } from '../verify/reference.ts';

/** The body of a published event, as Standard Webhooks recommends it. */
export interface StandardEnvelope<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly timestamp: string;
  readonly data: Data;
}

/** The attributes of an event in the CloudEvents 1.0 format, section 3.1 of its specification. */
export interface CloudEventAttributes {
  readonly specversion: string;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  /** Extensions. */
  readonly [attribute: string]: unknown;
}

/** What is inside a body, and what was around it. */
export interface OpenedBody {
  readonly data: unknown;
  readonly cloudEvent?: CloudEventAttributes;
}

/**
 * Opens the envelope around an event's data: that of Standard Webhooks, or a CloudEvent in its
 * structured or binary mode (HTTP binding, sections 3.1 and 3.2). Any other body is the data itself.
 *
 * @param body the parsed body; undefined when it is not JSON.
 * @param type the event's type as its headers say: an object that only looks like an envelope is
 *   somebody's own format.
 */
export function openBody(body: unknown, type: string, headers: Headers): OpenedBody {
  if (headers.has('ce-specversion')) return { data: body, cloudEvent: binaryAttributes(headers) };
  if (!isRecord(body)) return { data: body };
  if (isCloudEvent(body, headers)) {
    const { data, data_base64: encoded, ...attributes } = body;
    return { data: data ?? encoded, cloudEvent: attributes };
  }
  const isEnvelope = body['type'] === type && typeof body['timestamp'] === 'string' && 'data' in body;
  return { data: isEnvelope ? body['data'] : body };
}

function isCloudEvent(
  body: Readonly<Record<string, unknown>>,
  headers: Headers,
): body is CloudEventAttributes {
  return (
    /^application\/cloudevents\+json\b/i.test(headers.get('content-type') ?? '') &&
    ['specversion', 'id', 'source', 'type'].every((name) => typeof body[name] === 'string')
  );
}

function binaryAttributes(headers: Headers): CloudEventAttributes {
  const attributes: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name.startsWith('ce-')) attributes[name.slice('ce-'.length)] = decodePercent(value);
  }
  return { specversion: '', id: '', source: '', type: '', ...attributes };
}

// HTTP binding, section 3.1.3.2: values are percent-encoded. One that is not stays as it came.
function decodePercent(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
