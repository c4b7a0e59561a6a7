import { concatBytes, fromUtf8 } from './bytes.ts';
import type { KeyFetch } from './operation.ts';

/** As much of the Fetch standard's `fetch` as fetching a key document takes. */
export type FetchLike = (
  url: string,
  init: { redirect: 'error'; signal: AbortSignal; headers: Record<string, string> },
) => Promise<{
  readonly ok: boolean;
  text(): Promise<string>;
  /** Read piece by piece when it is there, so that an endless answer ends at the limit. */
  readonly body?: StreamLike | null;
}>;

interface StreamLike {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    cancel(): Promise<unknown>;
  };
}

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
    const text = await readBounded(response);
    return response.ok && text !== '' ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The text of an answer; undefined when it is longer than a key document may be. */
async function readBounded(response: Awaited<ReturnType<FetchLike>>): Promise<string | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    const text = await response.text();
    return text.length > maxDocumentBytes ? undefined : text;
  }
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    // One piece follows the other.
    // oxlint-disable-next-line no-await-in-loop
    const { done, value } = await reader.read();
    if (done) return fromUtf8(concatBytes(pieces));
    if (!(value instanceof Uint8Array)) return undefined;
    bytes += value.length;
    if (bytes <= maxDocumentBytes && response.ok) {
      pieces.push(value);
      continue;
    }
    // Frees the connection; what is left of the answer is of no use.
    void reader.cancel().catch(() => undefined);
    return undefined;
  }
}
