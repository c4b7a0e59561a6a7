import { concatBytes, decodeSecretBase64 } from './bytes.ts';

// Just enough DER (ITU-T X.690) to take a public key out of a certificate and to rewrite an ECDSA
// signature: WebCrypto does neither.

interface Element {
  readonly tag: number;
  /** The whole element, header included. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

function readElement(bytes: Uint8Array, offset: number): Element | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  let length = first;
  let start = offset + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = (length << 8) | (bytes[start++] ?? 0);
  }
  const end = start + length;
  if (end > bytes.length) return undefined;
  return { tag, whole: bytes.subarray(offset, end), content: bytes.subarray(start, end) };
}

function children(content: Uint8Array): Element[] {
  const elements: Element[] = [];
  let offset = 0;
  while (offset < content.length) {
    const element = readElement(content, offset);
    if (element === undefined) return [];
    elements.push(element);
    offset += element.whole.length;
  }
  return elements;
}

function wrap(tag: number, content: Uint8Array): Uint8Array {
  const size = content.length;
  const header =
    size < 0x80 ? [tag, size] : size < 0x100 ? [tag, 0x81, size] : [tag, 0x82, size >> 8, size & 255];
  return concatBytes([Uint8Array.from(header), content]);
}

/** The bytes inside a PEM block, with its label (`PUBLIC KEY`, `CERTIFICATE` ...). */
export function decodePem(text: string): { label: string; der: Uint8Array } | undefined {
  const match = /-----BEGIN ([A-Z0-9 ]+)-----([\sA-Za-z0-9+/=]+)-----END \1-----/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const der = decodeSecretBase64(match[2].replaceAll(/\s/g, ''));
  return der === undefined ? undefined : { label: match[1], der };
}

/** The SubjectPublicKeyInfo of an X.509 certificate (RFC 5280 section 4.1). */
export function certificatePublicKey(der: Uint8Array): Uint8Array | undefined {
  const certificate = readElement(der, 0);
  const body = certificate === undefined ? undefined : readElement(certificate.content, 0);
  if (body === undefined) return undefined;
  // version [0] is optional; then serial, algorithm, issuer, validity, subject, key.
  const fields = children(body.content).filter((field) => field.tag !== 0xa0);
  const key = fields[5];
  return key !== undefined && key.tag === 0x30 ? key.whole : undefined;
}

/** From when until when a certificate is valid, in epoch milliseconds (RFC 5280 section 4.1.2.5). */
export function certificateValidity(der: Uint8Array): { fromMs: number; untilMs: number } | undefined {
  const certificate = readElement(der, 0);
  const body = certificate === undefined ? undefined : readElement(certificate.content, 0);
  if (body === undefined) return undefined;
  const validity = children(body.content).filter((field) => field.tag !== 0xa0)[3];
  const [from, until] = validity === undefined ? [] : children(validity.content).map(readTime);
  return from === undefined || until === undefined ? undefined : { fromMs: from, untilMs: until };
}

function readTime(element: Element): number | undefined {
  const text = String.fromCharCode(...element.content);
  const match = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour = '', minute = '', second = ''] = match;
  const century = year.length === 4 ? '' : Number(year) < 50 ? '20' : '19';
  return Date.parse(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const ed25519Header = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const rsaAlgorithm = Uint8Array.of(
  0x30,
  0x0d,
  0x06,
  0x09,
  0x2a,
  0x86,
  0x48,
  0x86,
  0xf7,
  0x0d,
  0x01,
  0x01,
  0x01,
  5,
  0,
);

/** The SubjectPublicKeyInfo of 32 raw Ed25519 bytes (RFC 8410). */
export function ed25519Spki(raw: Uint8Array): Uint8Array {
  return concatBytes([ed25519Header, raw]);
}

/** The SubjectPublicKeyInfo of an `RSA PUBLIC KEY` block (PKCS #1). */
export function rsaSpki(pkcs1: Uint8Array): Uint8Array {
  return wrap(0x30, concatBytes([rsaAlgorithm, wrap(0x03, concatBytes([Uint8Array.of(0), pkcs1]))]));
}

/** An ECDSA signature as r and s side by side, from its DER form (RFC 3279 section 2.2.3). */
export function ecdsaRawFromDer(der: Uint8Array, size: number): Uint8Array | undefined {
  const sequence = readElement(der, 0);
  if (sequence?.tag !== 0x30 || sequence.whole.length !== der.length) return undefined;
  const numbers = children(sequence.content);
  if (numbers.length !== 2) return undefined;
  const raw = new Uint8Array(2 * size);
  for (const [index, number] of numbers.entries()) {
    const digits = trimZeros(number.content);
    if (number.tag !== 0x02 || digits.length > size) return undefined;
    raw.set(digits, (index + 1) * size - digits.length);
  }
  return raw;
}

/** The DER form of an ECDSA signature given as r and s side by side. */
export function ecdsaDerFromRaw(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return wrap(0x30, concatBytes([derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half))]));
}

function derInteger(bytes: Uint8Array): Uint8Array {
  const digits = trimZeros(bytes);
  const negative = (digits[0] ?? 0x80) >= 0x80;
  return wrap(0x02, negative ? concatBytes([Uint8Array.of(0), digits]) : digits);
}

function trimZeros(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return bytes.subarray(start);
}
