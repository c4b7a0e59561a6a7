import type { MessageParts } from './operation.ts';

const encoder = new TextEncoder();

/** Longer messages are for a hash that takes them piece by piece. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** A UTF-16 unit takes up to three bytes in UTF-8. */
const MAX_BYTES_A_UNIT = 3;

/**
 * The two messages whose hashes make an HMAC (RFC 2104): the inner one, of key and message, and the outer
 * one, of key and the inner one's hash.
 *
 * For a runtime whose one-shot hash costs much less than an object that hashes in pieces: node:crypto takes
 * half the time for both hashes that it takes for its own HMAC of a kibibyte.
 *
 * What is returned is valid until the next call, and holds key material.
 */
export class HmacMessages {
  readonly #blockBytes: number;
  readonly #inner: Uint8Array;
  readonly #outer: Uint8Array;

  /**
   * @param key as long as a block of the hash at the most: a longer one is to be hashed first.
   * @param blockBytes the block of the hash: 64 for SHA-1 and SHA-256, 128 for SHA-384 and SHA-512.
   * @param digestBytes what the hash gives.
   */
  constructor(key: Uint8Array, blockBytes: number, digestBytes: number) {
    if (key.byteLength > blockBytes) throw new RangeError('a key of more than a block must be hashed first');
    this.#blockBytes = blockBytes;
    this.#inner = new Uint8Array(blockBytes).fill(0x36);
    this.#outer = new Uint8Array(blockBytes + digestBytes).fill(0x5c, 0, blockBytes);
    for (const [place, byte] of key.entries()) {
      this.#inner[place] = 0x36 ^ byte;
      this.#outer[place] = 0x5c ^ byte;
    }
  }

  /** What is hashed first; undefined when the parts are too long for it. */
  inner(parts: MessageParts): Uint8Array | undefined {
    const blockBytes = this.#blockBytes;
    if (atMostBytes(parts) > MAX_MESSAGE_BYTES) return undefined;
    message.set(this.#inner);
    let end = blockBytes;
    for (const part of parts) {
      if (typeof part === 'string') {
        end += encoder.encodeInto(part, message.subarray(end)).written;
      } else {
        message.set(part, end);
        end += part.byteLength;
      }
    }
    return message.subarray(0, end);
  }

  /** What is hashed next; `innerHash` has one character for each byte (latin1). */
  outer(innerHash: string): Uint8Array {
    for (let place = 0; place < innerHash.length; place += 1) {
      this.#outer[this.#blockBytes + place] = innerHash.charCodeAt(place);
    }
    return this.#outer;
  }
}

/** One for all: it is filled and hashed without a pause. */
const message = new Uint8Array(128 + MAX_MESSAGE_BYTES);

function atMostBytes(parts: MessageParts): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length * (typeof part === 'string' ? MAX_BYTES_A_UNIT : 1);
  return bytes;
}
