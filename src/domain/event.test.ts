import { expect, test } from 'vitest';
import { attemptId } from './delivery.ts';
import { headerValue } from './event.ts';
import { mayDo, maySee, type Principal } from './principal.ts';
import type { Scope } from './settings.ts';

const SCOPES: Scope[] = ['admin', 'read', 'publish', 'manage', 'lease'];

test('a header is found without regard to case, the first of several, and never a value', () => {
  const headers = ['X-One', 'x-two', 'X-Two', 'first', 'x-two', 'second', 'odd'];
  expect(headerValue(headers, 'x-TWO')).toBe('first');
  expect(headerValue(headers, 'first')).toBeUndefined();
  expect(headerValue(headers, 'odd')).toBeUndefined();
});

test('an attempt is named after its delivery', () => {
  expect(attemptId('dlv_01abc', 3)).toBe('att_01abc_3');
});

test.each<[Scope, Scope[]]>([
  ['admin', SCOPES],
  ['read', ['read']],
  ['publish', ['publish']],
  ['manage', ['read', 'manage']],
  ['lease', ['lease']],
])('a key of scope %s may do %j', (scope, may) => {
  const principal: Principal = { id: 'key_one', name: 'one', scopes: [scope], tenant: null };
  expect(SCOPES.filter((wanted) => mayDo(principal, wanted))).toEqual(may);
});

test('a bound principal sees its own tenant, an unbound one all', () => {
  const bound: Principal = { id: 'key_one', name: 'one', scopes: ['admin'], tenant: 'a' };
  expect([maySee(bound, 'a'), maySee(bound, 'b'), maySee(bound, 'A'), maySee(bound, '')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(maySee({ ...bound, tenant: null }, 'b')).toBe(true);
});
