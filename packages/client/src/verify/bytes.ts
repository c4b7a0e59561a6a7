import type { Encoding } from './scheme.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes; undecodable bytes become U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The text of UTF-8 bytes, or undefined when they are not UTF-8. */
export function fromStrictUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The parts one after another; strings count as UTF-8. */
export function concatBytes(parts: readonly (string | Uint8Array)[]): Uint8Array {
  if (parts.length === 1 && typeof parts[0] !== 'string' && parts[0] !== undefined) return parts[0];
  const pieces = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part));
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}

/**
 * Whether two byte strings are equal, in a time that depends on the length of `given` only.
 * `expected` may be secret, `given` comes from the request.
 */
export function equalBytes(given: Uint8Array, expected: Uint8Array): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < given.length; i++) {
    difference |= (given[i] ?? 0) ^ (expected[i % expected.length] ?? 0);
  }
  return difference === 0;
}

const hexDigits = '0123456789abcdef';
const hexValues = valueTable(hexDigits);
for (let i = 10; i < 16; i++) hexValues[hexDigits.charCodeAt(i) - 32] = i;
const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const base64Values = valueTable(base64Digits);
const base64UrlValues = valueTable(base64Digits.replace('+/', '-_'));

function valueTable(digits: string): Int8Array {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < digits.length; i++) table[digits.charCodeAt(i)] = i;
  return table;
}

function digitValue(table: Int8Array, code: number): number {
  return code < 128 ? (table[code] ?? -1) : -1;
}

function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = digitValue(hexValues, text.charCodeAt(2 * i));
    const low = digitValue(hexValues, text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

// `padding`: 'required' as in RFC 4648, 'optional' for base64url and for secrets pasted by people.
function decodeBase64(
  text: string,
  table: Int8Array,
  padding: 'required' | 'optional',
): Uint8Array | undefined {
  let digits = text.length;
  while (digits > 0 && text.length - digits < 2 && text.charCodeAt(digits - 1) === 61) digits--;
  const padded = digits < text.length;
  if (padded || padding === 'required') {
    if (text.length % 4 !== 0) return undefined;
  }
  if (digits % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((digits * 3) / 4));
  let buffer = 0;
  let bits = 0;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const value = digitValue(table, text.charCodeAt(i));
    if (value < 0) return undefined;
    buffer = ((buffer << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[length++] = (buffer >> bits) & 0xff;
    }
  }
  // Bits left over must be zero: otherwise several texts would stand for the same bytes.
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}

/**
 * The bytes of an encoded text, or undefined when it is not exactly that encoding.
 *
 * Strict on purpose: lenient decoders skip or truncate what they do not know, so that a mangled
 * signature can still compare equal.
 */
export function decodeText(text: string, encoding: Encoding): Uint8Array | undefined {
  switch (encoding) {
    case 'hex':
      return decodeHex(text);
    case 'base64':
      return decodeBase64(text, base64Values, 'required');
    case 'base64url':
    default:
      return decodeBase64(text, base64UrlValues, 'optional');
  }
}

/** The bytes of a base64 secret; padding may be missing, since people lose it while pasting. */
export function decodeSecretBase64(text: string): Uint8Array | undefined {
  return decodeBase64(text, base64Values, 'optional');
}

/** Bytes as text. base64url is written without padding. */
export function encodeBytes(bytes: Uint8Array, encoding: Encoding): string {
  if (encoding === 'hex') {
    let text = '';
    for (const byte of bytes) text += (hexDigits[byte >> 4] ?? '') + (hexDigits[byte & 15] ?? '');
    return text;
  }
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const triple = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let digit = 0; digit < 4; digit++) {
      text += digit <= left ? (base64Digits[(triple >> (18 - 6 * digit)) & 63] ?? '') : '=';
    }
  }
  if (encoding === 'base64') return text;
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
