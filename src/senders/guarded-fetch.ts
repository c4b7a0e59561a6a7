import { Agent, fetch, type Response } from 'undici';
import { AddressForbiddenError } from './address-guard.ts';
import { type ConnectorOptions, makeConnector } from './connector.ts';

/** As much of `fetch` as fetching a provider's key document takes. */
export type GuardedFetch = (
  url: string,
  init: { redirect: 'error'; signal: AbortSignal; headers: Record<string, string> },
) => Promise<Pick<Response, 'ok' | 'text' | 'body'>>;

/** `fetch` for documents that a sender's request points to: the same guard and proxy as for deliveries. */
export function guardedFetch(options: ConnectorOptions): GuardedFetch {
  const dispatcher = new Agent({ connect: makeConnector(options), connections: 2 });
  return async (url, init) => {
    const refusal = options.addressGuard.checkUrl(url);
    if (refusal !== null) throw new AddressForbiddenError(refusal);
    return fetch(url, { ...init, dispatcher });
  };
}
