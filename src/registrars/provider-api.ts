import { readBounded } from '../../packages/client/src/verify/bounded-answer.ts';
import type { BoundableAnswer } from '../../packages/client/src/verify/bounded-answer.ts';
import { isRecord } from '../../packages/client/src/verify/reference.ts';
import { Problem } from '../domain/problem.ts';

/** `fetch` that goes through the address guard. */
export type ApiFetch = (
  url: string,
  init: {
    readonly method: string;
    readonly redirect: 'error';
    readonly signal: AbortSignal;
    readonly headers: Record<string, string>;
    readonly body?: string;
  },
) => Promise<BoundableAnswer & { readonly ok: boolean; readonly status: number }>;

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const MAX_SHOWN_CHARS = 300;

/** A request to a provider's API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: URLSearchParams;
}

/** Asks one provider's API: through the guard, no redirects, with limits of time and size. */
export class ProviderApi {
  readonly #provider: string;
  readonly #fetch: ApiFetch;

  constructor(provider: string, apiFetch: ApiFetch) {
    this.#provider = provider;
    this.#fetch = apiFetch;
  }

  /** The answer as JSON; an empty one is an empty object. Rejects with a `Problem`. */
  async ask(request: ApiRequest): Promise<Readonly<Record<string, unknown>> | readonly unknown[]> {
    const { status, text } = await this.#send(request);
    const body = parse(text);
    if (status >= 200 && status < 300) {
      if (text === '') return {};
      if (isRecord(body)) return body;
      if (Array.isArray(body)) return body as unknown[];
      throw this.#unavailable("answered what is not JSON; is the API's address right?");
    }
    const said = messageIn(body);
    if (status === 429 || status >= 500) throw this.#unavailable(`answered ${status}${said}`);
    throw new Problem('provider_refused', `${this.#provider} answered ${status}${said}${hintFor(status)}`);
  }

  async #send({ method, url, headers, json, form }: ApiRequest): Promise<{ status: number; text: string }> {
    const body = json === undefined ? form?.toString() : JSON.stringify(json);
    const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
    let answer;
    let text;
    try {
      answer = await this.#fetch(url, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          accept: 'application/json',
          'user-agent': 'Ringback',
          ...(body === undefined ? {} : { 'content-type': type }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
      });
      text = await readBounded(answer, MAX_ANSWER_BYTES);
    } catch {
      // Neither the cause nor the URL is told: both may hold the token.
      throw this.#unavailable(`could not be asked at ${new URL(url).host}`);
    }
    if (text === undefined) throw this.#unavailable('gave an answer that is too long');
    return { status: answer.status, text };
  }

  #unavailable(what: string): Problem {
    return new Problem('provider_unavailable', `${this.#provider} ${what}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

// GitHub: message and errors; Stripe and OpenAI: error.message; Telegram: description.
function messageIn(body: unknown): string {
  if (!isRecord(body)) return '';
  const { error, errors } = body;
  const listed = Array.isArray(errors) ? errors.map((each: unknown) => textIn(each)) : [textIn(errors)];
  const texts = [textIn(error), textIn(body), ...listed].filter((text) => text !== '');
  const said = [...new Set(texts)].join('; ');
  return said === '' ? '' : `: ${said.slice(0, MAX_SHOWN_CHARS)}`;
}

function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isRecord(value)) return '';
  const { message, description } = value;
  return typeof message === 'string' ? message : typeof description === 'string' ? description : '';
}

function hintFor(status: number): string {
  if (status === 401) return ' (is the token right, and still valid?)';
  // GitHub answers 404 to who may not see that a thing exists.
  if (status === 403 || status === 404)
    return ' (may the token manage webhooks there, and is the account right?)';
  return '';
}
