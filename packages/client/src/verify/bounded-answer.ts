import { concatBytes, fromUtf8 } from './bytes.ts';

/** As much of the Fetch standard's `Response` as reading a text of bounded length takes. */
export interface BoundableAnswer {
  text(): Promise<string>;
  /** Read piece by piece when it is there, so that an endless answer ends at the limit. */
  readonly body?: {
    getReader(): {
      read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
      cancel(): Promise<unknown>;
    };
  } | null;
}

/** The text of an answer; undefined when it is longer than `maxBytes`. */
export async function readBounded(response: BoundableAnswer, maxBytes: number): Promise<string | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    const text = await response.text();
    return text.length > maxBytes ? undefined : text;
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
    if (bytes <= maxBytes) {
      pieces.push(value);
      continue;
    }
    // Frees the connection; what is left of the answer is of no use.
    void reader.cancel().catch(() => undefined);
    return undefined;
  }
}
