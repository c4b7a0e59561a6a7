/** What an id names. */
export type IdPrefix =
  'src' | 'evt' | 'sub' | 'dst' | 'dlv' | 'run' | 'cbk' | 'key' | 'req' | 'rpl' | 'etp' | 'rej' | 'nod';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 10;
const COUNTER_CHARS = 4;
const COUNTER_LIMIT = 32 ** COUNTER_CHARS;

/**
 * Makes ids: prefix, `_`, and 26 characters of Crockford base 32 (10 time, 4 counter, 12 random).
 *
 * Ids of one process sort in the order in which they were made, also within a millisecond and when
 * the clock steps back. 60 random bits keep those of different processes apart. They are names, not
 * secrets: never use one as a capability.
 */
export class IdMaker {
  readonly #now: () => number;
  readonly #random: (bytes: number) => Uint8Array;
  #lastMs = 0;
  #counter = 0;
  #timePart = encode(0, TIME_CHARS);
  #pool: Uint8Array = new Uint8Array(0);
  #poolAt = 0;

  constructor(now: () => number, random: (bytes: number) => Uint8Array) {
    this.#now = now;
    this.#random = random;
  }

  make(prefix: IdPrefix): string {
    const nowMs = this.#now();
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#counter = 0;
      this.#timePart = encode(nowMs, TIME_CHARS);
    } else {
      this.#counter += 1;
      if (this.#counter >= COUNTER_LIMIT) {
        this.#lastMs += 1;
        this.#counter = 0;
        this.#timePart = encode(this.#lastMs, TIME_CHARS);
      }
    }
    return `${prefix}_${this.#timePart}${encode(this.#counter, COUNTER_CHARS)}${this.#randomPart()}`;
  }

  #randomPart(): string {
    // Random bytes come by the kilobyte: a call for each id costs more than the rest of it.
    if (this.#poolAt + 12 > this.#pool.length) {
      this.#pool = this.#random(3_072);
      this.#poolAt = 0;
    }
    let text = '';
    const end = this.#poolAt + 12;
    for (let index = this.#poolAt; index < end; index += 1) {
      text += ALPHABET.charAt((this.#pool[index] ?? 0) & 31);
    }
    this.#poolAt = end;
    return text;
  }
}

function encode(value: number, chars: number): string {
  let text = '';
  let rest = value;
  for (let place = 0; place < chars; place += 1) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/**
 * When one of our ids was made, in milliseconds since the epoch; `null` for a text that is none. Good for
 * finding what has no index: whatever carries the id came soon after.
 */
export function idTime(id: string): number | null {
  const body = /^[a-z]{3}_([0-9a-z]{26})$/.exec(id)?.[1];
  if (body === undefined) return null;
  let ms = 0;
  for (const char of body.slice(0, TIME_CHARS)) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) return null;
    ms = ms * 32 + digit;
  }
  return ms;
}
