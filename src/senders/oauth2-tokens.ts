import type { SendResult } from '../domain/outcome.ts';
import type { Sender } from '../ports/sender.ts';
import type { OAuth2Client, TokenAnswer, TokenSource } from '../ports/token-source.ts';

/** A token is not used in its last minute, or last tenth when it lives shorter: the request takes time too. */
const MARGIN_MS = 60_000;
/** What a token without `expires_in` is taken to live (RFC 6749, 5.1, leaves it open). */
const UNSTATED_LIFE_MS = 300_000;
/** A token server that fails is asked again after this; until then its failure is everyone's answer. */
const HOLD_FAILURE_MS = 1_000;
const TOKEN_TIMEOUT_MS = 10_000;
/** Destinations with a kept token; beyond it the one got longest ago goes. */
const MAX_KEPT = 10_000;

export interface OAuth2TokensOptions {
  /** Carries the token request: with the same guard, proxy and limits as a delivery. */
  readonly sender: Pick<Sender, 'send'>;
  readonly userAgent: string;
  /** Milliseconds that only grow; absent = since the process started. */
  readonly monotonicMs?: () => number;
}

interface Kept {
  readonly client: OAuth2Client;
  readonly answer: TokenAnswer;
  readonly usableUntilMs: number;
}

/** Access tokens by client credentials (RFC 6749, 4.4), one kept for each destination. */
export class OAuth2Tokens implements TokenSource {
  readonly #options: OAuth2TokensOptions;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, { readonly client: OAuth2Client; answer: Promise<TokenAnswer> }>();

  constructor(options: OAuth2TokensOptions) {
    this.#options = options;
    this.#nowMs = options.monotonicMs ?? (() => performance.now());
  }

  token(client: OAuth2Client, timeoutMs: number): Promise<TokenAnswer> {
    const { destinationId } = client;
    const kept = this.#kept.get(destinationId);
    if (kept !== undefined && this.#nowMs() < kept.usableUntilMs && isSame(kept.client, client)) {
      return Promise.resolve(kept.answer);
    }
    const underWay = this.#underWay.get(destinationId);
    if (underWay !== undefined && isSame(underWay.client, client)) return underWay.answer;
    const entry = { client, answer: this.#fetch(client, timeoutMs) };
    this.#underWay.set(destinationId, entry);
    entry.answer = entry.answer.finally(() => {
      if (this.#underWay.get(destinationId) === entry) this.#underWay.delete(destinationId);
    });
    return entry.answer;
  }

  drop(client: OAuth2Client, token: string): void {
    const kept = this.#kept.get(client.destinationId);
    // Only the very token: a slow 401 must not throw away the one that was got since.
    if (kept?.answer.ok === true && kept.answer.token === token) this.#kept.delete(client.destinationId);
  }

  async #fetch(client: OAuth2Client, timeoutMs: number): Promise<TokenAnswer> {
    const startedMs = this.#nowMs();
    const result = await this.#options.sender.send({
      url: client.tokenUrl,
      headers: Object.entries({
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        authorization: basic(client),
      }).flat(),
      body: new TextEncoder().encode(tokenForm(client)),
      timeoutMs: Math.min(timeoutMs, TOKEN_TIMEOUT_MS),
    });
    const { answer, lifeMs } = readAnswer(result);
    const keepMs = answer.ok ? lifeMs - Math.min(MARGIN_MS, lifeMs / 10) : HOLD_FAILURE_MS;
    // The life of a token begins when the server made it: counted from the question, it never ends early.
    this.#keep({ client, answer, usableUntilMs: (answer.ok ? startedMs : this.#nowMs()) + keepMs });
    return answer;
  }

  #keep(kept: Kept): void {
    const { destinationId } = kept.client;
    this.#kept.delete(destinationId);
    this.#kept.set(destinationId, kept);
    if (this.#kept.size <= MAX_KEPT) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

function isSame(left: OAuth2Client, right: OAuth2Client): boolean {
  return (
    left === right ||
    (left.tokenUrl === right.tokenUrl &&
      left.clientId === right.clientId &&
      left.clientSecret === right.clientSecret &&
      left.scope === right.scope &&
      left.audience === right.audience)
  );
}

/** Both parts are form-encoded first (RFC 6749, 2.3.1), so that a colon in the id cannot end it. */
function basic({ clientId, clientSecret }: OAuth2Client): string {
  const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

function tokenForm({ scope, audience }: OAuth2Client): string {
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== null) form.set('scope', scope);
  if (audience !== null) form.set('audience', audience);
  return form.toString();
}

/** RFC 6749, 5.1 and 5.2. */
function readAnswer(result: SendResult): { readonly answer: TokenAnswer; readonly lifeMs: number } {
  if (result.status === null) return failed(`no answer from the token server: ${result.error}`);
  const fields = jsonObject(result.body);
  if (result.status !== 200) {
    const code = fields['error'];
    const known = typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? ` ${code}` : '';
    return failed(`the token server answered ${result.status}${known}`);
  }
  const { access_token: token, token_type: type, expires_in: expiresIn } = fields;
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    return failed('the token server answered without an access_token');
  }
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    return failed('the token server gave a token that is no bearer token');
  }
  // Some servers write the number as a text.
  const lifeS = Number(expiresIn);
  const lifeMs = lifeS > 0 ? lifeS * 1000 : UNSTATED_LIFE_MS;
  return { answer: { ok: true, token }, lifeMs };
}

function failed(reason: string): { readonly answer: TokenAnswer; readonly lifeMs: number } {
  return { answer: { ok: false, reason }, lifeMs: 0 };
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
