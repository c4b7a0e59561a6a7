import { cliName } from './cli-name.ts';
import type { Connection } from './connection.ts';
import { isRecord, type JsonRecord, parseJson, recordsOf, textOf } from './json-value.ts';
import { CliFailure, failure, printable, withPoints } from './output.ts';

export interface ApiRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The server refused, with a problem document (RFC 9457). */
export class ProblemFailure extends CliFailure {
  override readonly name = 'ProblemFailure';
  readonly document: JsonRecord;
  readonly status: number;

  constructor(document: JsonRecord, status: number, message: string) {
    super(message);
    this.document = document;
    this.status = status;
  }
}

/** Longer than any operation takes: a test of a destination may wait for it for five minutes. */
const TIME_LIMIT_MS = 330_000;

/** Asks the server; every failure is a `CliFailure` that says what to do. */
export class ApiClient {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** The parsed answer; `undefined` when there is none (204). */
  async call(method: string, path: string, request: ApiRequest = {}): Promise<unknown> {
    const response = await this.open(path, {
      method,
      ...(request.query === undefined ? {} : { query: request.query }),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      headers: request.body === undefined ? {} : { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    if (response.status === 204) return undefined;
    const parsed = parseJson(await response.text());
    if ('value' in parsed) return parsed.value;
    throw this.#notRingback(response);
  }

  /** Every page of a list as one. */
  async list(path: string, query: Readonly<Record<string, string>> = {}): Promise<JsonRecord[]> {
    const found: JsonRecord[] = [];
    let next: Record<string, string> = { limit: '500', ...query };
    for (;;) {
      const page = await this.call('GET', path, { query: next });
      found.push(...recordsOf(isRecord(page) ? page['data'] : []));
      const cursor = textOf(page, 'next_cursor');
      if (cursor === null) return found;
      next = { ...next, cursor };
    }
  }

  /** The answer while its body still comes. Rejects unless the status is 2xx. */
  async open(
    path: string,
    request: {
      readonly method: string;
      readonly query?: Readonly<Record<string, string | readonly string[]>>;
      readonly body?: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly signal: AbortSignal;
    },
  ): Promise<Response> {
    const pairs = Object.entries(request.query ?? {}).flatMap(([name, values]) =>
      [values].flat().map((value) => [name, value]),
    );
    const search = new URLSearchParams(pairs).toString();
    const { key, url } = this.connection;
    let response: Response;
    try {
      response = await fetch(`${url}${path}${search === '' ? '' : `?${search}`}`, {
        method: request.method,
        headers: { ...request.headers, ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
        ...(request.body === undefined ? {} : { body: request.body }),
        // A redirect would carry the key to where nobody sent it.
        redirect: 'manual',
        signal: request.signal,
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return response;
    throw await this.#refused(response);
  }

  #unreachable(error: unknown): CliFailure {
    const { url, urlOrigin } = this.connection;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    if (code === 'ECONNREFUSED' && urlOrigin === 'settings') {
      return failure(`no server answers at ${url}`, [
        `start one: ${startCommand()}`,
        'or name the one that runs: --url URL, or RINGBACK_URL',
      ]);
    }
    if (cause instanceof Error && cause.name === 'TimeoutError') {
      return failure(`${url} did not answer in time`, ['see whether the server is well: ringback doctor']);
    }
    const why = cause instanceof Error ? code || cause.message : String(cause);
    return failure(`${url} cannot be reached (${why})`, [`check the URL; it comes from ${urlOrigin}`]);
  }

  async #refused(response: Response): Promise<CliFailure> {
    const parsed = parseJson(await response.text().catch(() => ''));
    const document = 'value' in parsed ? parsed.value : null;
    if (!isRecord(document) || textOf(document, 'code') === null) return this.#notRingback(response);
    return this.failureOf(document, response.status);
  }

  /** A problem document as a failure that says what to do. */
  failureOf(document: JsonRecord, status: number): ProblemFailure {
    const { heading, points } = problemParts(document);
    const advice = this.#advice(textOf(document, 'code') ?? '');
    return new ProblemFailure(document, status, withPoints(heading, [...points, ...advice]));
  }

  #advice(code: string): string[] {
    const { key, keyOrigin } = this.connection;
    if (key === null) return [`no API key was found; looked at: ${keyOrigin}`];
    if (code === 'credentials_invalid') {
      return [
        `the key came from ${keyOrigin}`,
        'keys are looked for in --key-file, then RINGBACK_API_KEY, then admin.key in the data directory',
      ];
    }
    return code === 'scope_missing' ? [`the key came from ${keyOrigin}`] : [];
  }

  #notRingback(response: Response): CliFailure {
    const { url, urlOrigin } = this.connection;
    const location = response.headers.get('location');
    const points = [`the URL comes from ${urlOrigin}`];
    if (location !== null) points.unshift(`it redirects to ${printable(location)}: use that URL`);
    return failure(`what answers at ${url} is not Ringback (status ${response.status})`, points);
  }
}

function startCommand(): string {
  const cli = cliName();
  return cli.startsWith('npm') ? 'npm start' : `${cli} dev`;
}

/** A problem document for people: code, detail, each mistake. `optionOf` names the option that a JSON pointer is about. */
export function problemParts(
  document: JsonRecord,
  optionOf: (pointer: string) => string | null = () => null,
): { readonly heading: string; readonly points: string[] } {
  const errors = recordsOf(document['errors']);
  const points = errors.map((error) => {
    const pointer = textOf(error, 'pointer') ?? '';
    const option = optionOf(pointer);
    const place = [pointer === '' ? 'body' : pointer, ...(option === null ? [] : [`(${option})`])].join(' ');
    return printable(`${place}: ${textOf(error, 'message') ?? ''}`);
  });
  // The detail of an invalid request repeats the list that follows.
  const detail =
    errors.length > 0 && textOf(document, 'code') === 'validation_failed'
      ? textOf(document, 'title')
      : (textOf(document, 'detail') ?? textOf(document, 'title'));
  return { heading: printable(`${textOf(document, 'code') ?? 'problem'}: ${detail ?? ''}`), points };
}
