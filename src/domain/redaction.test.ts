import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRedactionRule, REDACTED, redact, without } from './redaction.ts';

describe('redaction', () => {
  test.each([
    [['/card/number'], { card: { number: '4242', cvc: '1' } }, { card: { number: REDACTED, cvc: '1' } }],
    [
      ['email'],
      { a: [{ Email: 'x' }, { b: { email: {} } }] },
      { a: [{ Email: REDACTED }, { b: { email: REDACTED } }] },
    ],
    [
      ['/items/*/id'],
      { items: [{ id: 1 }, { id: 2, n: 3 }] },
      { items: [{ id: REDACTED }, { id: REDACTED, n: 3 }] },
    ],
    [['/a~1b/~0'], { 'a/b': { '~': 1 } }, { 'a/b': { '~': REDACTED } }],
    [['/a'], [{ a: 1 }], [{ a: 1 }]],
    [['email'], 'email', 'email'],
    [[], { email: 1 }, { email: 1 }],
  ])('by %j', (rules, value, wanted) => {
    expect(redact(value, rules).value).toEqual(wanted);
  });

  test('tells what was taken out, so that it can be taken out of what was made of it', () => {
    const { removed } = redact({ who: { email: 'zoe@example.com', n: 42, tags: ['alpha'] } }, ['who']);
    expect([...removed]).toEqual(['zoe@example.com', '42', 'alpha']);
    expect(without('key of zoe@example.com, alpha', removed)).toBe(`key of ${REDACTED}, ${REDACTED}`);
    expect(without('42', removed)).toBe(REDACTED);
    expect(without('1420', removed)).toBe('1420');
  });

  test('leaves nothing under a name, wherever and whatever it is', () => {
    const secret = fc.string({ minLength: 8 }).map((text) => `planted-${text}`);
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        secret,
        fc.integer({ min: 0, max: 3 }),
        (json, planted, depth) => {
          let value: unknown = { PassWord: [{ deep: planted }], rest: JSON.parse(json) as unknown };
          for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { inner: value };
          const before = JSON.stringify(value);
          expect(JSON.stringify(redact(value, ['password']).value)).not.toContain('planted-');
          expect(JSON.stringify(value)).toBe(before);
        },
      ),
    );
  });

  test('knows what is a rule', () => {
    for (const rule of ['email', '/a', '/a/0/*', '/a~1b', 'first name'])
      expect(isRedactionRule(rule)).toBe(true);
    for (const rule of ['', '/', '/a/', 'a/b', '/a~2', 'line\nbreak'])
      expect(isRedactionRule(rule)).toBe(false);
  });
});
