import { equalBytes } from '../bytes.ts';
import type { SecretKey } from '../key-material.ts';
import type { HashName, MessageParts, Task } from '../operation.ts';
import { hmac } from '../operation.ts';
import { refuse } from '../reasons.ts';

/** The index of the secret whose HMAC over one of `contents` is among `signatures`. */
export function* matchSecret(
  hash: HashName,
  keys: readonly SecretKey[],
  signatures: readonly Uint8Array[],
  contents: readonly MessageParts[],
): Task<number> {
  for (const [index, key] of keys.entries()) {
    for (const parts of contents) {
      const expected = yield* hmac(hash, key.bytes, parts);
      if (signatures.some((signature) => equalBytes(signature, expected))) return index;
    }
  }
  throw refuse('bad_signature');
}
