import { createHmac, hash } from 'node:crypto';
import { array, assert, oneof, property, string, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HmacMessages } from './hmac-messages.ts';

const SHAPES = [
  { name: 'sha1', blockBytes: 64, digestBytes: 20 },
  { name: 'sha256', blockBytes: 64, digestBytes: 32 },
  { name: 'sha512', blockBytes: 128, digestBytes: 64 },
] as const;

describe('HMAC by two hashes', () => {
  it.each(SHAPES)('is what node:crypto makes of it, with $name', ({ name, blockBytes, digestBytes }) => {
    const part = oneof(string({ unit: 'grapheme' }), uint8Array({ maxLength: 3_000 }));
    const keys = uint8Array({ maxLength: blockBytes });
    assert(
      property(keys, array(array(part, { maxLength: 4 }), { minLength: 1 }), (key, messages) => {
        const two = new HmacMessages(key, blockBytes, digestBytes);
        // Several messages with one key: what one leaves behind must not get into the next.
        for (const parts of messages) {
          const mac = createHmac(name, key);
          for (const each of parts) mac.update(each);
          const inner = two.inner(parts) ?? new Uint8Array();
          expect(hash(name, two.outer(hash(name, inner, 'latin1')), 'hex')).toBe(mac.digest('hex'));
        }
      }),
    );
  });

  it('leaves long messages to a hash that takes pieces', () => {
    const two = new HmacMessages(new Uint8Array(32), 64, 32);
    expect(two.inner([new Uint8Array(16_384)])?.byteLength).toBe(64 + 16_384);
    expect(two.inner([new Uint8Array(16_384), 'x'])).toBeUndefined();
    expect(two.inner(['€'.repeat(5_462)])).toBeUndefined();
  });

  it('takes no key of more than a block', () => {
    expect(() => new HmacMessages(new Uint8Array(65), 64, 32)).toThrow(RangeError);
  });
});
