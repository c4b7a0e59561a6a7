import { Agent, fetch, type Response } from 'undici';
import { AddressForbiddenError } from './address-guard.ts';
import { type ConnectorOptions, makeConnector } from './connector.ts';

/** As much of `fetch` as asking a provider for documents, or for a webhook, takes. */
export type GuardedFetch = (
  url: string,
  init: {
    readonly method?: string;
    readonly redirect: 'error';
    readonly signal: AbortSignal;
    readonly headers: Record<string, string>;
    readonly body?: string;
  },
) => Promise<Pick<Response, 'ok' | 'status' | 'text' | 'body'>>;

/** `fetch` for what is not a delivery: the same guard and proxy as for deliveries. */
export function guardedFetch(options: ConnectorOptions): GuardedFetch {
  const dispatcher = new Agent({ connect: makeConnector(options), connections: 2 });
  return async (url, init) => {
    const refusal = options.addressGuard.checkUrl(url);
    if (refusal !== null) throw new AddressForbiddenError(refusal);
    return fetch(url, { ...init, dispatcher });
  };
}
