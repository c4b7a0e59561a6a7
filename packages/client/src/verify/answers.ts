import type { Answer } from './handshake-rule.ts';
import { compileHandshakes } from './handshake.ts';
import type { HandshakeAnswer } from './handshake.ts';
import { createKeyFetch } from './key-fetch.ts';
import { prepareScheme } from './prepare-scheme.ts';
import type { Credentials, PreparedScheme } from './prepared-scheme.ts';
import { findProvider } from './provider-table.ts';
import { VerifierSettingsError } from './reasons.ts';
import { viewOfRequest } from './webhook-request.ts';
import type { WebhookRequest } from './webhook-request.ts';
import { runWithWebCrypto } from './web-crypto.ts';
import type { Provider } from './provider.ts';
import type { FetchLike } from './key-fetch.ts';

/** What to answer a provider in each case. */
export interface Answers {
  readonly success: Answer;
  /** For our own trouble: with this the sender tries again. */
  readonly fault: Answer;
  /** For a request that is not proven. */
  readonly refusal: Answer;
}

/** What a provider wants to see in answer to its events. */
export function answers(provider: string): Answers {
  const entry = findProvider(provider);
  return {
    success: entry?.answer ?? { status: 202 },
    fault: { status: 503, headers: { 'retry-after': '30' } },
    refusal: { status: entry?.refusalStatus ?? 401 },
  };
}

/**
 * Answers a provider's question about the URL itself; undefined when the request is an event.
 *
 * A question that is signed is answered only if the credentials prove it: otherwise it counts as an
 * event, which `verify` then refuses.
 */
export async function handshake(
  provider: string,
  request: WebhookRequest,
  credentials: Credentials & { readonly now?: Date; readonly fetch?: FetchLike } = {},
): Promise<HandshakeAnswer | undefined> {
  const entry = findProvider(provider);
  const scheme = usableScheme(entry, credentials);
  const answer = compileHandshakes(entry?.handshakes, credentials, scheme);
  if (answer === undefined) return undefined;
  const view = viewOfRequest(request, credentials.now ?? new Date());
  return runWithWebCrypto(answer(view), createKeyFetch(credentials.fetch ?? fetch));
}

// Questions come before the setup is complete, so missing credentials are no mistake here.
function usableScheme(entry: Provider | undefined, credentials: Credentials): PreparedScheme | undefined {
  if (entry?.scheme === undefined) return undefined;
  try {
    return prepareScheme(entry.scheme, credentials);
  } catch (error) {
    if (error instanceof VerifierSettingsError) return undefined;
    throw error;
  }
}
