/**
 * Values that a payload needs and that must be new for each event: ids, numbers, times.
 *
 * A token in a text is `${KIND:LENGTH}` with an optional label: `#x` is the same value everywhere in
 * one event, `@x` the same in every event about one object. Kinds: `uuid`, `ulid`, `hex`, `az`
 * (lower case and digits), `AZ`, `b62`, `n` (digits, as text), `int` (a number); times, with an
 * offset such as `-5m`: `iso`, `isos` (whole seconds), `isou` (microseconds), `date`, `http`, `s`,
 * `ms`; and `type`, `0` and `1` (before and after the first full stop of the type), `seq`, `url`,
 * `cfg.NAME`. A token that stands alone keeps its kind: `int`, `s`, `ms` and `seq` give numbers,
 * unless `!` follows.
 */
export interface FreshValues {
  /** Made anew for each event. */
  readonly eventSeed: string;
  /** Made anew for each object that events are about. */
  readonly objectSeed: string;
  /** When the event happened. */
  readonly timeMs: number;
  readonly type: string;
  /** The number of the event, from 1. */
  readonly sequence: number;
  readonly url: string;
  readonly config: Readonly<Record<string, string | undefined>>;
}

const token = /\$\{([^{}]+)\}/g;
const tokenParts = /^([A-Za-z0-9.]+)(?::(\d+))?([#@][a-z0-9]+)?([+-]\d+[smhd])?(!)?$/;
const alphabets: Readonly<Record<string, string>> = {
  hex: '0123456789abcdef',
  az: '0123456789abcdefghijklmnopqrstuvwxyz',
  AZ: '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  b62: '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
  n: '0123456789',
  int: '0123456789',
};
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Fills in the tokens of one payload, in order: unlabelled ones differ by their position. */
export class TokenFiller {
  readonly #values: FreshValues;
  #position = 0;

  constructor(values: FreshValues) {
    this.#values = values;
  }

  /** A text without its tokens; a number where a token of numbers is all of it. */
  fill(text: string): string | number {
    const whole = /^\$\{([^{}]+)\}$/.exec(text);
    if (whole?.[1] !== undefined) return this.#value(whole[1]);
    return this.text(text);
  }

  text(text: string): string {
    return text.replaceAll(token, (_, inner: string) => String(this.#value(inner)));
  }

  #value(inner: string): string | number {
    const [, kind = '', length, label, offset, asText] = tokenParts.exec(inner) ?? [];
    if (kind === '') throw new Error(`the token \${${inner}} of a payload cannot be read`);
    const value =
      this.#known(kind) ?? this.#time(kind, offset) ?? this.#made(kind, Number(length ?? 0), label);
    if (value === undefined) throw new Error(`the token \${${inner}} of a payload is not known`);
    return asText === undefined ? value : String(value);
  }

  #known(kind: string): string | number | undefined {
    const { type, sequence, url, config } = this.#values;
    const stop = type.indexOf('.');
    if (kind === 'type') return type;
    if (kind === '0') return stop < 0 ? type : type.slice(0, stop);
    if (kind === '1') return stop < 0 ? '' : type.slice(stop + 1);
    if (kind === 'seq') return sequence;
    if (kind === 'url') return url;
    return kind.startsWith('cfg.') ? (config[kind.slice(4)] ?? '') : undefined;
  }

  #time(kind: string, offset: string | undefined): string | number | undefined {
    const by = offset === undefined ? 0 : Number(offset.slice(0, -1)) * (unitMs[offset.slice(-1)] ?? 0);
    const ms = this.#values.timeMs + by;
    if (kind === 'ms') return ms;
    if (kind === 's') return Math.floor(ms / 1000);
    if (!['iso', 'isos', 'isou', 'date', 'http'].includes(kind)) return undefined;
    const date = new Date(ms);
    if (kind === 'http') return date.toUTCString();
    const iso = date.toISOString();
    if (kind === 'date') return iso.slice(0, 10);
    if (kind === 'isos') return `${iso.slice(0, 19)}Z`;
    return kind === 'isou' ? `${iso.slice(0, 23)}000Z` : iso;
  }

  #made(kind: string, length: number, label: string | undefined): string | number | undefined {
    const { eventSeed, objectSeed } = this.#values;
    this.#position += 1;
    const seed = label?.startsWith('@') === true ? objectSeed : eventSeed;
    const next = randomFrom(`${seed}|${label ?? this.#position}|${kind}`);
    if (kind === 'uuid') return uuid(next);
    if (kind === 'ulid') return ulidTime(this.#values.timeMs) + letters(next, crockford, 16);
    const alphabet = alphabets[kind];
    if (alphabet === undefined) return undefined;
    if (kind !== 'int' && kind !== 'n') return letters(next, alphabet, length);
    // No zero in front: it would be lost where somebody reads a number.
    const digits = letters(next, '123456789', 1) + letters(next, alphabet, length - 1);
    return kind === 'int' ? Number(digits) : digits;
  }
}

function letters(next: () => number, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[next() % alphabet.length] ?? '').join('');
}

function uuid(next: () => number): string {
  const hex = letters(next, '0123456789abcdef', 32);
  const variant = '89ab'[next() % 4] ?? '8';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function ulidTime(ms: number): string {
  let rest = ms;
  let text = '';
  for (let index = 0; index < 10; index++) {
    text = (crockford[rest % 32] ?? '0') + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

// sfc32, seeded by FNV-1a. These values only have to differ; nothing secret is made of them.
function randomFrom(seed: string): () => number {
  let [a, b, c, counter] = [hash(seed, 1), hash(seed, 2), hash(seed, 3), 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

function hash(text: string, salt: number): number {
  let value = 2_166_136_261 ^ salt;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 16_777_619);
  }
  return value;
}
