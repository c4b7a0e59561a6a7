/** Several pieces in one buffer of its own, one after the other, as they cross threads. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

/** Takes apart what `concatenated` put together: each call gives the next part of that size. */
export function partByPart(bytes: Uint8Array): (size: number) => Uint8Array {
  let at = 0;
  return (size) => bytes.subarray(at, (at += size));
}
