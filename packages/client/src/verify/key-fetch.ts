import type { BoundableAnswer } from './bounded-answer.ts';
import { readBounded } from './bounded-answer.ts';
import type { KeyFetch } from './operation.ts';

/** As much of the Fetch standard's `fetch` as fetching a key document takes. */
export type FetchLike = (
  url: string,
  init: { redirect: 'error'; signal: AbortSignal; headers: Record<string, string> },
) => Promise<BoundableAnswer & { readonly ok: boolean }>;

const defaultTimeoutMs = 5_000;
const maxDocumentBytes = 262_144;

/**
 * Fetches key documents: https only, no redirects, five seconds, one request at a time for each
 * address. Every failure is undefined: the caller refuses the request as `key_unavailable`.
 */
export function createKeyFetch(fetchLike: FetchLike, timeoutMs = defaultTimeoutMs): KeyFetch {
  const underway = new Map<string, Promise<string | undefined>>();
  return (url) => {
    const known = underway.get(url);
    if (known !== undefined) return known;
    const started = fetchDocument(fetchLike, url, timeoutMs).finally(() => underway.delete(url));
    underway.set(url, started);
    return started;
  };
}

async function fetchDocument(
  fetchLike: FetchLike,
  url: string,
  timeoutMs: number,
): Promise<string | undefined> {
  if (!url.startsWith('https://')) return undefined;
  try {
    const response = await fetchLike(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json, application/x-pem-file, */*' },
    });
    const text = await readBounded(response, response.ok ? maxDocumentBytes : 0);
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
