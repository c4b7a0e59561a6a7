import { encodeBytes, utf8 } from '../verify/bytes.ts';
import { isRecord, plainText } from '../verify/reference.ts';
import type { FreshValues } from './fresh-values.ts';
import { TokenFiller } from './fresh-values.ts';

/** What a request carries before it is signed; texts are templates (see `FreshValues`). */
export interface PayloadContent {
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON body. */
  readonly body?: unknown;
  /** A form; a field that is an object is written as JSON. */
  readonly form?: Readonly<Record<string, unknown>>;
  /** Any other text, such as XML. */
  readonly text?: string;
}

/** The payloads of one provider. */
export interface ProviderPayloads extends PayloadContent {
  readonly id: string;
  /** Where the provider publishes the shape. */
  readonly from: string;
  /** Spaces by which the provider indents its JSON; absent: none. */
  readonly indent?: number;
  /** By type, as the provider writes it; the first is the usual one. Each is laid over the whole. */
  readonly types: Readonly<Record<string, PayloadContent>>;
}

/** A request that is not signed yet. */
export interface UnsignedRequest {
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

const dropped = '${-}';

/** Writes the request of one event. An unknown type gets what all types have in common. */
export function writePayload(payloads: ProviderPayloads, values: FreshValues): UnsignedRequest {
  const own = payloads.types[values.type] ?? {};
  const filler = new TokenFiller(values);
  const headers = Object.entries({ ...payloads.headers, ...own.headers }).filter(
    ([, text]) => text !== dropped,
  );
  return {
    headers: headers.map(([name, text]) => [name, filler.text(text)]),
    body: utf8(bodyText(payloads, own, filler)),
  };
}

function bodyText(payloads: ProviderPayloads, own: PayloadContent, filler: TokenFiller): string {
  const kind = ownKind(own) ?? ownKind(payloads);
  if (kind === 'text') return filler.text(own.text ?? payloads.text ?? '');
  if (kind === 'form') return formText(filled(laidOver(payloads.form ?? {}, own.form), filler));
  if (kind === undefined) return '';
  return JSON.stringify(filled(laidOver(payloads.body, own.body), filler), null, payloads.indent);
}

function ownKind(content: PayloadContent): 'body' | 'form' | 'text' | undefined {
  if (content.body !== undefined) return 'body';
  if (content.form !== undefined) return 'form';
  return content.text === undefined ? undefined : 'text';
}

function formText(fields: unknown): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(isRecord(fields) ? fields : {})) {
    form.append(name, plainText(value) ?? JSON.stringify(value));
  }
  return form.toString();
}

// Objects field by field, lists item by item as far as the upper one goes; anything else replaces.
function laidOver(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (Array.isArray(under) && Array.isArray(over)) {
    return over.map((item: unknown, index) => laidOver(under[index], item));
  }
  if (!isRecord(under) || !isRecord(over)) return over;
  const joined: Record<string, unknown> = { ...under };
  for (const [name, value] of Object.entries(over)) {
    if (value === dropped) delete joined[name];
    else joined[name] = laidOver(under[name], value);
  }
  return joined;
}

/** `{"$json": ...}` becomes its JSON as a text, `{"$base64": ...}` the same in base64. */
function filled(value: unknown, filler: TokenFiller): unknown {
  if (typeof value === 'string') return filler.fill(value);
  if (Array.isArray(value)) return value.map((item) => filled(item, filler));
  if (!isRecord(value)) return value;
  if ('$json' in value) return JSON.stringify(filled(value['$json'], filler));
  if ('$base64' in value) {
    const inner = filled(value['$base64'], filler);
    return encodeBytes(utf8(typeof inner === 'string' ? inner : JSON.stringify(inner)), 'base64');
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [filler.text(name), filled(inner, filler)]),
  );
}
