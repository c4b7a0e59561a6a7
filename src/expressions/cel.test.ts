import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Evaluated, ExpressionInput } from '../ports/expressions.ts';
import { createCelExpressions } from './cel.ts';

const cel = createCelExpressions();

const INPUT: ExpressionInput = {
  event: { id: 'evt_1', type: 'invoice.paid', source: null },
  headers: { 'x-kind': 'test' },
  data: JSON.parse(`{
    "amount": 500, "count": 3, "ratio": 1.5, "nothing": null, "text": "abc",
    "created": "2026-01-02T03:04:05Z", "items": [{"id": 1}, {"id": 2}],
    "constructor": {"a": 1}, "__proto__": {"p": 1}, "deep": {"er": {"est": true}}
  }`),
};

function evaluate(source: string, input: ExpressionInput = INPUT, expressions = cel): Evaluated {
  const compiled = expressions.compile(source);
  if (!compiled.ok) throw new Error(`${source}: ${compiled.error.message}`);
  return compiled.expression.evaluate(input);
}

function value(source: string, input?: ExpressionInput): unknown {
  const evaluated = evaluate(source, input);
  if (!evaluated.ok) throw new Error(`${source}: ${evaluated.error}`);
  return evaluated.value;
}

function mistake(source: string): string {
  const compiled = cel.compile(source);
  if (compiled.ok) return 'no mistake';
  return `${compiled.error.line}:${compiled.error.column} ${compiled.error.message}`;
}

describe('numbers of a JSON body', () => {
  it.each([
    ['data.amount > 499', true],
    ['data.amount > 500', false],
    ['data.amount >= 500.0', true],
    ['499 < data.amount', true],
    ['data.count == 3', true],
    ['data.count == 3.0', true],
    ['data.count != 4', true],
    ['data.count in [1, 2, 3]', true],
    ['data.ratio > 1 && data.ratio < 2', true],
    ['data.amount / 100 > 4', true],
    ['data.count % 2 == 1', true],
    ['data.count + 1 == 4', true],
    ['10 - data.count', 7],
    ['-data.count', -3],
    ['string(data.count)', '3'],
    ['data.items[data.count - 2].id', 2],
    ['data.items == [{"id": 1}, {"id": 2.0}]', true],
    ['data.count == "3"', false],
    ['data.count == 3u && data.amount > 4u', true],
  ])('%s', (source, expected) => {
    expect(value(source)).toBe(expected);
  });
});

describe('what an expression sees', () => {
  it.each([
    ['event.type', 'invoice.paid'],
    ['event.source == null', true],
    ['headers["x-kind"]', 'test'],
    ['headers["X-Kind"]', 'test'],
    ['"X-KIND" in headers', true],
    ['has(data.text)', true],
    ['has(data.nothing)', true],
    ['"nothing" in data', true],
    ['has(data.absent)', false],
    ['has(data.deep.er.est) && data.deep.er.est', true],
    ['data.constructor.a', 1],
    ['data.__proto__.p', 1],
    ['has(data.toString)', false],
    ['data.text.matches("^a.c$")', true],
    ['data.text.upperAscii()', 'ABC'],
    ['data.items.exists(item, item.id == 2)', true],
    ['data.items.all(item, item.id > 1)', false],
    ['size(data.items) + data.text.size()', 5],
    ['timestamp(data.created).getFullYear()', 2026],
    ['timestamp(data.created) < timestamp("2027-01-01T00:00:00Z")', true],
  ])('%s', (source, expected) => {
    expect(value(source)).toEqual(expected);
  });

  it('reads the body only for an expression that uses it', () => {
    const input: ExpressionInput = {
      ...INPUT,
      get data(): unknown {
        throw new Error('the body is not JSON');
      },
    };
    expect(value('event.id', input)).toBe('evt_1');
    expect(evaluate('data.id == 1', input)).toEqual({ ok: false, error: 'the body is not JSON' });
  });
});

describe('results as plain values', () => {
  it.each([
    ['1 + 1', 2],
    ['9007199254740993', '9007199254740993'],
    ['18446744073709551615u', '18446744073709551615'],
    ['b"abc"', 'YWJj'],
    ['timestamp("2026-01-02T03:04:05.5Z")', '2026-01-02T03:04:05.500Z'],
    ['duration("90s")', '90s'],
    ['type(1)', 'int'],
    ['[1, "a", null, {"k": [true]}]', [1, 'a', null, { k: [true] }]],
    ['{1: "a", true: "b"}', { 1: 'a', true: 'b' }],
    ['data.items.map(item, item.id)', [1, 2]],
    ['{"kept": data.items.filter(item, item.id > 1), "id": event.id}', { kept: [{ id: 2 }], id: 'evt_1' }],
    ['[1] + [2] + data.items', [1, 2, { id: 1 }, { id: 2 }]],
  ])('%s', (source, expected) => {
    expect(value(source)).toEqual(expected);
  });

  it('keeps a "__proto__" key a key', () => {
    expect(JSON.stringify(value('{"__proto__": {"admin": true}}'))).toBe('{"__proto__":{"admin":true}}');
    expect(value('{"__proto__": {"admin": true}}')).not.toHaveProperty('admin');
  });

  it('maps over a long list', () => {
    const items = Array.from({ length: 20_000 }, (_, id) => ({ id }));
    const ids = value('data.map(item, item.id)', { ...INPUT, data: items });
    expect(ids).toHaveLength(20_000);
    const twice = value('data.map(item, item.id).map(id, id + 1).filter(id, id > 10)', {
      ...INPUT,
      data: items,
    });
    expect(twice).toHaveLength(19_990);
  });
});

describe('what cannot be evaluated', () => {
  it.each([
    ['data.absent == 1', 'data.absent is absent'],
    ['data.absent.more', 'data.absent is absent'],
    ['has(data.absent.more)', 'data.absent is absent'],
    ['data["not there"]', '"not there" is absent'],
    ['data.items[7]', 'element 7 is absent'],
    ['data.text > 1', '> does not work on string, int'],
    ['data.text && true', 'type mismatch: expected bool, got string'],
    ['!data.text', '! does not work on string'],
    ['1 / 0', 'int divide by zero'],
  ])('%s: %s', (source, error) => {
    expect(evaluate(source)).toEqual({ ok: false, error });
  });
});

describe('mistakes at compile time', () => {
  it.each([
    ['', '1:1 the expression is empty'],
    ['data.amount >', '1:14 something is missing after ">"'],
    ['data.amount = 3', '1:13 "=" is not expected here (to compare, write "==")'],
    ['data.a data.b', '1:8 "data" is not expected here'],
    ['data.a ==\n  "open', '2:3 the text in quotes is not closed'],
    ['(data.a', '1:1 "(" is not closed'],
    ['data.a)', '1:7 ")" closes nothing'],
    ['[1, 2}', '1:6 "]" expected, found "}"'],
    ['true &&\n  body.x == 1', '2:3 unknown name "body"; there are event, headers, data'],
    ['data.items.all(x, y > 1)', '1:19 unknown name "y"; there are event, headers, data'],
    ['data.items.all(x, x > 1) && x', '1:29 unknown name "x"; there are event, headers, data'],
    ['data.items.all(data, true)', '1:12 the loop\'s name "data" hides the variable of that name'],
    ['data.a.startWith("x")', '1:8 unknown function "startWith"'],
    ['data.a.startsWith("x", "y")', '1:8 startsWith is not a method of 2 arguments'],
    ['data.items.exists(x)', '1:12 exists is written list.exists(x, condition)'],
    ['has(data)', '1:1 has is written has(data.field)'],
    ['data.a.matches("(")', '1:16 error parsing regexp: missing closing ): `(`'],
    [String.raw`data.a.matches("(\\pL{100}){10}")`, '1:16 the pattern is too big: repeat less'],
    ['data.a.matches(data.b)', '1:21 the pattern of matches must be a text in quotes'],
    ['@loop(data)', '1:1 "@" is not expected here'],
    ['Foo{a: 1}', '1:1 unknown type "Foo"; write a map as {"key": value}'],
  ])('%j', (source, expected) => {
    expect(mistake(source)).toBe(expected);
  });

  it('include fields that events do not have, when those are known', () => {
    const strict = createCelExpressions({ eventFields: ['id', 'type'] });
    expect(strict.compile('event.type == event.id && data.tpye == 1').ok).toBe(true);
    expect(strict.compile('true && event.tpye == "x"')).toEqual({
      ok: false,
      error: { message: 'event has no "tpye"; it has id, type', line: 1, column: 15, offset: 14 },
    });
  });

  it('does not take brackets and quotes inside texts and comments for more', () => {
    expect(
      mistake(`data.a == "(" // it's )\n && data.b == '\\'(' && data.c == """a"(""" && r"\\(" == data.d`),
    ).toBe('no mistake');
  });

  it('limits length, brackets and depth', () => {
    expect(mistake(`data.a == "${'x'.repeat(4_100)}"`)).toContain('at most 4096 are allowed');
    expect(mistake(`${'('.repeat(1_000)}1${')'.repeat(1_000)}`)).toContain('nested deeper than 64');
    expect(mistake(`data${'.a'.repeat(2_000)}`)).toContain('nested deeper than 200');
    expect(mistake(Array.from({ length: 500 }, () => 'true').join(' && '))).toBe('no mistake');
  });
});

describe('bounded cost', () => {
  const items = Array.from({ length: 10_000 }, (_, id) => id);

  it('stops nested loops', () => {
    const nested = 'data.all(a, data.all(b, data.all(c, a + b + c >= 0)))';
    expect(evaluate(nested, { ...INPUT, data: items })).toEqual({
      ok: false,
      error: 'the expression needs too many steps for this event',
    });
    const hidden = 'data.exists(a, data.exists(b, data.exists(c, a + b + c < 0))) || data.size() < 0';
    expect(evaluate(hidden, { ...INPUT, data: items })).toMatchObject({ ok: false });
  });

  it('stops comparing whole bodies in a loop', () => {
    const input = { ...INPUT, data: { left: items, right: [...items] } };
    expect(evaluate('data.left.all(x, data.left == data.right)', input)).toMatchObject({ ok: false });
  });

  it('refuses to multiply texts', () => {
    const text = 'a'.repeat(1_000_000);
    const input = { ...INPUT, data: { text, items: items.slice(0, 1_000) } };
    expect(evaluate('data.text.replace("a", data.text)', input)).toMatchObject({ ok: false });
    expect(evaluate('data.items.map(i, data.text).join("")', input)).toMatchObject({ ok: false });
    expect(evaluate('"%s%s%s".format([data.text, data.text, data.text])', input)).toMatchObject({ ok: true });
  });

  it.each([
    [
      'a formatter for each time zone',
      'data.items.all(i, timestamp("2026-01-01T00:00:00Z").getHours("Asia/Tokyo") > 0)',
    ],
    ['a long search in a long text', 'data.text.contains(data.needle)'],
    ['a big program over a long text', String.raw`data.text.matches("(\\pL{40}){10}$")`],
    ['digits without end', 'int(data.text) > 1'],
    ['a list of all characters', 'data.text.split("").size() > 1'],
  ])('refuses %s', (_, source) => {
    const text = 'a'.repeat(2_000_000);
    const data = { text, needle: `b${text.slice(0, 100_000)}`, items };
    const startMs = performance.now();
    expect(evaluate(source, { ...INPUT, data })).toMatchObject({ ok: false });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it('replaces in linear time', () => {
    const input = { ...INPUT, data: 'a'.repeat(400_000) };
    expect(value('data.replace("a", "$&") == "x"', input)).toBe(false);
    expect(value('"a-b-c".replace("-", "+", 1) + "a-b".replace("-", "$&") + "ab".replace("", "-")')).toBe(
      'a+b-ca$&b-a-b-',
    );
  });

  it('matches in linear time where backtracking would take for ever', () => {
    const input = { ...INPUT, data: { text: `${'a'.repeat(50_000)}b` } };
    expect(value('data.text.matches("^(a+)+$")', input)).toBe(false);
    expect(value('data.text.matches("(x+x+)+y")', input)).toBe(false);
  });

  it('counts anew for each evaluation', () => {
    const small = createCelExpressions({ budget: 100 });
    const compiled = small.compile('data.all(x, x >= 0)');
    if (!compiled.ok) throw new Error(compiled.error.message);
    for (let round = 0; round < 50; round++) {
      expect(compiled.expression.evaluate({ ...INPUT, data: [1, 2, 3] })).toEqual({ ok: true, value: true });
    }
  });
});

describe('properties', () => {
  const SOURCES = [
    'data',
    'data.a.b == 1',
    'data[0].x > data[1]',
    'has(data.a) && data.a > 3',
    'data.all(x, x == x) || data.exists(y, y > 1)',
    'data.map(x, x + 1)',
    'data.filter(x, x.a in data)',
    '{"a": data, "b": [data, size(data)]}',
    'string(data) + "x"',
    'int(data) / 2 + double(data.a)',
    'timestamp(data) > timestamp("2026-01-01T00:00:00Z")',
    'data.matches("a+b") || data.startsWith("x")',
    'data in headers',
    'headers[data] == event.type',
    'data ? 1 : 2',
    'data.split(",").join(data.a)',
    'data.format([data])',
    'type(data) == map',
    'bytes(data) == b"x" || duration(data) > duration("1s")',
  ];

  it('never throws, and answers with what JSON can hold', () => {
    const compiled = SOURCES.map((source) => {
      const result = cel.compile(source);
      if (!result.ok) throw new Error(`${source}: ${result.error.message}`);
      return result.expression;
    });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat(compiled.length - 1), (data, index) => {
        const evaluated = compiled[index]?.evaluate({ ...INPUT, data });
        if (evaluated?.ok === true) JSON.stringify(evaluated.value);
        else expect(evaluated?.error).toEqual(expect.stringMatching(/./));
      }),
      { numRuns: 5_000 },
    );
  });

  it('returns the body as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        expect(value('data', { ...INPUT, data })).toBe(data);
        expect(value('[data]', { ...INPUT, data })).toEqual([data]);
      }),
    );
  });

  it('never throws for any text as source, and its position lies inside', () => {
    const words = [
      'data',
      '.',
      'a',
      '(',
      ')',
      '[',
      ']',
      '"',
      "'",
      '==',
      '&&',
      '1',
      ' ',
      '\n',
      '?',
      ':',
      '{',
      '}',
    ];
    const sources = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(sources, (source) => {
        const compiled = cel.compile(source);
        if (compiled.ok) {
          compiled.expression.evaluate(INPUT);
          return;
        }
        const { offset, line, column } = compiled.error;
        expect(offset).toBeLessThanOrEqual(source.length);
        const lines = source.slice(0, offset).split('\n');
        expect([line, column]).toEqual([lines.length, (lines.at(-1)?.length ?? 0) + 1]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('survives bodies nested as deep as JSON.parse allows', () => {
    const data: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(evaluate('data == [[data]]', { ...INPUT, data }).ok).toBeTypeOf('boolean');
    expect(evaluate('data == data[0]', { ...INPUT, data }).ok).toBeTypeOf('boolean');
    expect(evaluate('string(data)', { ...INPUT, data })).toMatchObject({ ok: false });
  });
});
