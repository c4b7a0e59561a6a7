import { createHash } from 'node:crypto';
import { columnsOf, type CopiedKind, type CopiedRow } from '../ports/store-copy.ts';

/** 128 bits of the SHA-256 of a row: its kind, and each column's value with its type and length. */
export function rowDigest(kind: CopiedKind, row: CopiedRow): bigint {
  const hash = createHash('sha256').update(kind);
  const plain: (string | number | null)[] = [];
  for (const [name] of columnsOf(kind)) {
    const value = row[name] ?? null;
    if (value instanceof Uint8Array) {
      plain.push(value.byteLength);
      hash.update(value);
    } else plain.push(value);
  }
  // JSON keeps null, numbers and text apart, and each from the next.
  const digest = hash.update(JSON.stringify(plain)).digest();
  return (digest.readBigUInt64BE(0) << 64n) | digest.readBigUInt64BE(8);
}
