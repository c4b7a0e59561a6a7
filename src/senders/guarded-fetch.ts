import { Agent, fetch } from 'undici';
import { type AddressGuard, AddressForbiddenError } from './address-guard.ts';

/** As much of `fetch` as fetching a provider's key document takes. */
export type GuardedFetch = (
  url: string,
  init: { redirect: 'error'; signal: AbortSignal; headers: Record<string, string> },
) => Promise<{ readonly ok: boolean; text(): Promise<string> }>;

/** `fetch` for documents that a sender's request points to: the same guard as for deliveries. */
export function guardedFetch(guard: AddressGuard): GuardedFetch {
  const dispatcher = new Agent({ connect: { lookup: guard.lookup }, connections: 2 });
  return async (url, init) => {
    const refusal = guard.checkUrl(url);
    if (refusal !== null) throw new AddressForbiddenError(refusal);
    return fetch(url, { ...init, dispatcher });
  };
}
