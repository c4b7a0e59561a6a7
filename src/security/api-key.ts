import type { Randomness } from '../ports/randomness.ts';

const PREFIX = 'rb_';
const RANDOM_CHARS = 40;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
// Bytes from here on are thrown away: taken modulo 62 they would make the first characters likelier.
const FAIR_LIMIT = 256 - (256 % ALPHABET.length);

/** A new API key: `rb_` and 40 random characters, 238 bits. The prefix lets secret scanners find it. */
export function makeApiKey(randomness: Pick<Randomness, 'bytes'>): string {
  let key = PREFIX;
  while (key.length < PREFIX.length + RANDOM_CHARS) {
    for (const byte of randomness.bytes(RANDOM_CHARS)) {
      if (byte < FAIR_LIMIT) key += ALPHABET.charAt(byte % ALPHABET.length);
      if (key.length === PREFIX.length + RANDOM_CHARS) break;
    }
  }
  return key;
}

/** Whether `text` has the form of an API key that Ringback made. */
export function isApiKey(text: string): boolean {
  return /^rb_[0-9A-Za-z]{40}$/.test(text);
}

/** The first characters of a key, so that a person can tell keys apart. */
export function apiKeyHint(key: string): string {
  return key.slice(0, PREFIX.length + 6);
}
