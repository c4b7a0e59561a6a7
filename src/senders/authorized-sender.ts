import type { SendError, SendResult } from '../domain/outcome.ts';
import type { OutboundRequest, Sender } from '../ports/sender.ts';
import type { OAuth2Client, TokenSource } from '../ports/token-source.ts';

/**
 * Gives requests that want one a bearer token, then sends them.
 *
 * A 401 forgets the token and is the attempt's outcome: the request is not repeated here, since a receiver
 * may have acted on it. The next attempt goes with a new token.
 */
export class AuthorizedSender implements Sender {
  readonly #sender: Sender;
  readonly #tokens: TokenSource;

  constructor(sender: Sender, tokens: TokenSource) {
    this.#sender = sender;
    this.#tokens = tokens;
  }

  send(request: OutboundRequest): Promise<SendResult> {
    const { oauth2 } = request;
    return oauth2 === undefined ? this.#sender.send(request) : this.#sendWithToken(request, oauth2);
  }

  close(): Promise<void> {
    return this.#sender.close();
  }

  async #sendWithToken(request: OutboundRequest, client: OAuth2Client): Promise<SendResult> {
    const startedMs = performance.now();
    const answer = await this.#tokens.token(client, request.timeoutMs);
    const waitedMs = Math.round(performance.now() - startedMs);
    if (!answer.ok) return unsent('auth_failed', answer.reason, waitedMs);
    // The lease is as long as the destination's limit: getting the token counts towards it.
    const timeoutMs = request.timeoutMs - waitedMs;
    if (timeoutMs <= 0) return unsent('timeout', '', waitedMs);
    const headers = [...request.headers, 'authorization', `Bearer ${answer.token}`];
    const result = await this.#sender.send({ ...request, headers, timeoutMs });
    if (result.status === 401) this.#tokens.drop(client, answer.token);
    return { ...result, durationMs: result.durationMs + waitedMs };
  }
}

function unsent(error: SendError, body: string, durationMs: number): SendResult {
  return { status: null, error, headers: [], body, durationMs };
}
