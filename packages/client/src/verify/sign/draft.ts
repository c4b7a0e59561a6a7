import { fromUtf8, utf8 } from '../bytes.ts';
import { VerifierSettingsError } from '../reasons.ts';
import type { PathStep } from '../reference.ts';
import { everyItem, isRecord, parsePath, splitReference } from '../reference.ts';
import { RequestView } from '../request-view.ts';

/** A request that is being made: what a signer reads from, and writes its proof into. */
export class Draft {
  readonly method: string;
  readonly nowMs: number;
  readonly headers: [string, string][];
  url: string;
  body: Uint8Array;

  constructor(
    method: string,
    url: string,
    headers: Iterable<readonly [string, string]>,
    body: Uint8Array,
    nowMs: number,
  ) {
    this.method = method;
    this.url = url;
    this.headers = [...headers].map(([name, value]) => [name, value]);
    this.body = body;
    this.nowMs = nowMs;
  }

  /** The request as a verifier would see it now. */
  view(): RequestView {
    return new RequestView(this.method, this.url, this.headers.flat(), this.body, this.nowMs);
  }

  header(name: string): string | undefined {
    return this.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  }

  setHeader(name: string, value: string): void {
    const known = this.headers.find(([each]) => each.toLowerCase() === name.toLowerCase());
    if (known === undefined) this.headers.push([name, value]);
    else known[1] = value;
  }

  setQuery(name: string, value: string): void {
    const [base = '', query = ''] = this.url.split('?', 2);
    const key = encodeURIComponent(name);
    // By text, so that the other parameters stay as they were written: some senders sign the URL.
    const others = query.split('&').filter((pair) => pair !== '' && pair.split('=', 1)[0] !== key);
    this.url = `${base}?${[...others, `${key}=${encodeURIComponent(value)}`].join('&')}`;
  }

  setForm(name: string, value: string): void {
    const form = new URLSearchParams(fromUtf8(this.body));
    form.set(name, value);
    this.setBody(form.toString());
    this.setHeader('content-type', 'application/x-www-form-urlencoded');
  }

  /** Writes a field of the JSON body, which must be an object or a list. */
  setJson(path: string, value: unknown): void {
    this.setBody(JSON.stringify(written(this.#jsonBody(fromUtf8(this.body)), parsePath(path), value)));
  }

  /** Writes a field of the JSON inside a form field. */
  setFormJson(field: string, path: string, value: unknown): void {
    const text = new URLSearchParams(fromUtf8(this.body)).get(field) ?? '{}';
    this.setForm(field, JSON.stringify(written(this.#jsonBody(text), parsePath(path), value)));
  }

  setBody(text: string): void {
    this.body = utf8(text);
  }

  /** Writes a value where a reference would read it. */
  set(reference: string, value: string | number): void {
    const { kind, name } = splitReference(reference) ?? { kind: undefined, name: '' };
    if (kind === 'h') this.setHeader(name, String(value));
    else if (kind === 'q') this.setQuery(name, String(value));
    else if (kind === 'json') this.setJson(name, value);
    else if (kind === 'form') this.setForm(name, String(value));
    else if (kind === 'fj') this.setFormJson('json', name, value);
    else throw new VerifierSettingsError('/body', `the request must already have ${reference}`);
  }

  #jsonBody(text: string): unknown {
    try {
      return JSON.parse(text === '' ? '{}' : text);
    } catch {
      throw new VerifierSettingsError('/body', 'this sender signs inside a JSON body: give one');
    }
  }
}

// A copy of `target` with the value at the path.
function written(target: unknown, path: readonly PathStep[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (step === everyItem)
    return Array.isArray(target) ? target.map((item) => written(item, rest, value)) : [];
  if (typeof step === 'number') {
    const list: unknown[] = Array.isArray(target) ? [...(target as unknown[])] : [];
    list[step] = written(list[step], rest, value);
    return list;
  }
  const fields = isRecord(target) ? target : {};
  return { ...fields, [step]: written(fields[step], rest, value) };
}
