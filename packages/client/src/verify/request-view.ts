import { decodeSecretBase64, fromStrictUtf8, fromUtf8 } from './bytes.ts';
import { refuse } from './reasons.ts';

/** A request as the interpreter sees it: raw bytes, and parsed forms made at most once. */
export class RequestView {
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value, ... in the order and case of the wire. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
  readonly nowMs: number;
  /** Claims of a token whose signature was verified. */
  claims: Readonly<Record<string, unknown>> | undefined;

  #json: { value: unknown } | undefined | false;
  #form: URLSearchParams | undefined;
  #query: URLSearchParams | undefined;
  readonly #formJson = new Map<string, { value: unknown }>();
  #xml: string | undefined;
  #formXml: string | undefined;

  constructor(method: string, url: string, rawHeaders: readonly string[], body: Uint8Array, nowMs: number) {
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.body = body;
    this.nowMs = nowMs;
  }

  /** All values of a header; `lowerName` is in lower case. */
  headerValues(lowerName: string): string[] {
    const values: string[] = [];
    const headers = this.rawHeaders;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] ?? '';
      if (name.length === lowerName.length && (name === lowerName || name.toLowerCase() === lowerName)) {
        values.push(headers[i + 1] ?? '');
      }
    }
    return values;
  }

  /** The value of a header that must not repeat; undefined when it is absent or empty. */
  header(lowerName: string): string | undefined {
    const headers = this.rawHeaders;
    let found: string | undefined;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] ?? '';
      if (name.length !== lowerName.length) continue;
      if (name !== lowerName && name.toLowerCase() !== lowerName) continue;
      if (found !== undefined) throw refuse('ambiguous_header');
      found = headers[i + 1] ?? '';
    }
    return found === '' ? undefined : found;
  }

  /** The first value of a header, for matters that are not proof. */
  firstHeader(lowerName: string): string | undefined {
    const value = this.headerValues(lowerName)[0];
    return value === '' ? undefined : value;
  }

  /** The names of all headers, in lower case. */
  headerNames(): string[] {
    return this.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  }

  /** Whether the body was parsed as JSON already. */
  get parsedJson(): { readonly value: unknown } | undefined {
    return this.#json === false ? undefined : this.#json;
  }

  /** The body as JSON; undefined when it is not JSON. Parsed at most once. */
  json(): { readonly value: unknown } | undefined {
    if (this.#json === undefined) {
      const text = mayBeJson(this.body[0]) ? fromStrictUtf8(this.body) : undefined;
      this.#json = (text !== undefined && parseJson(text)) || false;
    }
    return this.#json === false ? undefined : this.#json;
  }

  /** Takes a value for the body as JSON: what a body of another format says. */
  takeJson(value: unknown): void {
    this.#json = { value };
  }

  /** The body as URL-encoded form fields. */
  form(): URLSearchParams {
    this.#form ??= new URLSearchParams(fromUtf8(this.body));
    return this.#form;
  }

  /** The JSON inside a form field (URL-encoded or multipart). */
  formJson(field: string): unknown {
    let parsed = this.#formJson.get(field);
    if (parsed === undefined) {
      const text = this.formText(field);
      parsed = (text === undefined ? undefined : parseJson(text)) ?? { value: undefined };
      this.#formJson.set(field, parsed);
    }
    return parsed.value;
  }

  /** A field of a URL-encoded or multipart form. */
  formText(field: string): string | undefined {
    // What was read as JSON is no form: looking for fields in it would parse every body twice.
    if (this.parsedJson !== undefined) return undefined;
    const type = this.firstHeader('content-type') ?? '';
    const boundary = /^multipart\/form-data;.*?boundary="?([^";]+)"?/i.exec(type)?.[1];
    if (boundary === undefined) return this.form().get(field) ?? undefined;
    for (const part of fromUtf8(this.body).split(`--${boundary}`)) {
      const headerEnd = part.indexOf('\r\n\r\n');
      if (headerEnd < 0 || !part.slice(0, headerEnd).includes(`name="${field}"`)) continue;
      return part.slice(headerEnd + 4).replace(/\r\n$/, '');
    }
    return undefined;
  }

  /** The parameters of the URL. */
  query(): URLSearchParams {
    if (this.#query === undefined) {
      const start = this.url.indexOf('?');
      const end = this.url.indexOf('#');
      this.#query = new URLSearchParams(
        start < 0 ? '' : this.url.slice(start + 1, end < start ? undefined : end),
      );
    }
    return this.#query;
  }

  /** The texts of all XML elements with this local name. */
  xml(element: string): string[] {
    this.#xml ??= fromUtf8(this.body);
    return xmlTexts(this.#xml, element);
  }

  /** The text of an XML element inside a base64 form field. */
  formXml(field: string, element: string): string | undefined {
    const bytes = decodeSecretBase64((this.form().get(field) ?? '').replaceAll(/\s/g, ''));
    this.#formXml ??= fromUtf8(bytes ?? new Uint8Array());
    return xmlTexts(this.#formXml, element)[0];
  }
}

function xmlTexts(xml: string, element: string): string[] {
  const tag = `(?:[\\w.-]+:)?${element}`;
  const pattern = new RegExp(
    `<${tag}(?:\\s[^<>]*)?>(?:<!\\[CDATA\\[([^\\]<>]*)\\]\\]>|([^<]*))</${tag}>`,
    'g',
  );
  return [...xml.matchAll(pattern)].map(([, cdata, text]) => (cdata ?? text ?? '').trim());
}

// Forms and XML are told apart by their first byte, which is cheaper than a parser's exception.
function mayBeJson(first: number | undefined): boolean {
  return first !== undefined && (first <= 0x39 || first === 0x5b || first === 0x7b);
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
