import type { Directory } from '../core/directory.ts';
import { Problem } from '../domain/problem.ts';
import type { Randomness } from '../ports/randomness.ts';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `chars` random characters of base 62: 32 of them hold 190 bits. */
export function newKey(random: Randomness, chars: number): string {
  let key = '';
  while (key.length < chars) {
    for (const byte of random.bytes(chars * 2)) {
      // Bytes past the last multiple of 62 would make the first characters likelier.
      if (byte < 248 && key.length < chars) key += BASE62.charAt(byte % 62);
    }
  }
  return key;
}

/** Throws a `Problem` that points at the field and shows where in the expression the mistake is. */
export function checkExpression(directory: Directory, expression: string | null, pointer: string): void {
  try {
    directory.compile(expression);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem(error.code, `${pointer}: ${error.message}`, {
      errors: [{ pointer, message: error.message }],
    });
  }
}
