import { describe, expect, test } from 'vitest';
import {
  definition,
  INVOICE_DEFINITION,
  INVOICE_FIELDS,
  LINE,
  message,
  Type,
} from '../../test/support/protobuf-definitions.ts';
import type { Compatibility } from '../domain/settings.ts';
import { DescriptorProtobufs } from './protobufs.ts';

const protobufs = new DescriptorProtobufs();

function encoded(value: unknown): Uint8Array {
  const result = protobufs.encode(INVOICE_DEFINITION, value);
  if (!result.ok) throw new Error(result.error);
  return result.bytes;
}

describe('a message', () => {
  test('is read as JSON, fields that hold their default included', () => {
    const bytes = encoded({ invoiceId: 'in_1', lines: [{ sku: 'a' }, {}] });
    expect(protobufs.decode(INVOICE_DEFINITION, bytes)).toEqual({
      ok: true,
      value: { invoiceId: 'in_1', amount: 0, lines: [{ sku: 'a' }, { sku: '' }] },
    });
  });

  test.each<[string, Uint8Array]>([
    ['cut off', encoded({ invoiceId: 'in_1' }).subarray(0, 3)],
    ['of another format', new TextEncoder().encode('{"invoiceId":"in_1"}')],
    ['with a text that is no UTF-8', new Uint8Array([0x0a, 2, 0xc3, 0x28])],
    ['with groups without end', new Uint8Array(10_000).fill(0x0b)],
  ])('%s is refused', (_, bytes) => {
    const decoded = protobufs.decode(INVOICE_DEFINITION, bytes);
    expect(decoded).toMatchObject({ ok: false });
    expect(JSON.stringify(decoded)).toMatch(/is not a message acme.Invoice/);
  });

  test.each([[{ amount: 'x' }], [{ unknown: 1 }], [[]], [null], ['text']])('%j cannot be one', (value) => {
    expect(protobufs.encode(INVOICE_DEFINITION, value)).toMatchObject({ ok: false });
  });

  test('whose fields nobody knows is read without them', () => {
    const bytes = new Uint8Array([...encoded({ amount: 7 }), 0x98, 0x06, 1]);
    expect(protobufs.decode(INVOICE_DEFINITION, bytes)).toMatchObject({ ok: true, value: { amount: 7 } });
  });

  test('of two bytes each cannot fill the memory', () => {
    const wide = message(
      'Wide',
      Array.from({ length: 200 }, (_, index) => ({
        name: `f${index}`,
        number: index + 1,
        type: Type.STRING,
      })),
    );
    const bomb = definition(
      [{ name: 'all', number: 1, type: Type.MESSAGE, typeName: '.acme.Invoice.Wide', repeated: true }],
      { nested: [wide] },
    );
    const bytes = new Uint8Array(1 << 20).map((_, index) => (index % 2 === 0 ? 0x0a : 0));
    const before = performance.now();
    expect(protobufs.decode(bomb, bytes)).toMatchObject({
      ok: false,
      error: expect.stringMatching(/more than 1000000 fields/),
    });
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

describe('a definition', () => {
  test.each([
    ['that is none', { descriptorSet: 'AAAA', message: 'acme.Invoice' }, '/descriptor_set'],
    ['without that message', { ...INVOICE_DEFINITION, message: 'acme.Other' }, '/message'],
    ['of an enum', { ...definition([], { enumValues: ['A'] }), message: 'acme.State' }, '/message'],
    [
      'without an import',
      definition([], { dependency: ['google/protobuf/timestamp.proto'] }),
      '/descriptor_set',
    ],
  ])('%s is refused at %s', (_, broken, pointer) => {
    expect(protobufs.problem(broken)?.pointer).toBe(pointer);
    expect(protobufs.problem(INVOICE_DEFINITION)).toBeNull();
  });
});

describe('what breaks', () => {
  const [id, amount, lines] = INVOICE_FIELDS;
  if (id === undefined || amount === undefined || lines === undefined) throw new Error('there are three');
  const nested = [LINE];
  const note = { name: 'note', number: 4, type: Type.STRING };

  test.each<[string, ReturnType<typeof definition>, Compatibility, RegExp | null]>([
    ['nothing', definition([...INVOICE_FIELDS], { nested }), 'full', null],
    ['a new field', definition([...INVOICE_FIELDS, note], { nested }), 'full', null],
    [
      'another type',
      definition([id, { ...amount, type: Type.STRING }, lines], { nested }),
      'backward',
      /amount \(2\) is string now, and was int32/,
    ],
    [
      'another number',
      definition([id, { ...amount, number: 5 }, lines], { nested }),
      'backward',
      /amount \(5\) had the number 2 before/,
    ],
    [
      'another name',
      definition([id, { ...amount, name: 'cents' }, lines], { nested }),
      'forward',
      /cents \(2\) was called amount/,
    ],
    [
      'a list of it',
      definition([id, { ...amount, repeated: true }, lines], { nested }),
      'backward',
      /repeated int32/,
    ],
    [
      'a field that is gone',
      definition([id, lines], { nested }),
      'backward',
      /amount \(2\) is gone: write "reserved 2;"/,
    ],
    ['one that is gone for good', definition([id, lines], { nested, reserved: [amount] }), 'full', null],
    [
      'a type further in',
      definition(INVOICE_FIELDS, {
        nested: [message('Line', [{ name: 'sku', number: 1, type: Type.INT64 }])],
      }),
      'backward',
      /Line.sku \(1\) is int64 now/,
    ],
    [
      'a required field',
      definition([...INVOICE_FIELDS, { ...note, required: true }], { nested, syntax: 'proto2' }),
      'backward',
      /note \(4\) is new and required/,
    ],
    ['whatever, when nothing is promised', definition([note]), 'none', null],
  ])('%s', (_, newer, promise, why) => {
    const found = protobufs.incompatibilities(INVOICE_DEFINITION, newer, promise);
    if (why === null) expect(found).toEqual([]);
    else expect(found.map((one) => one.message).join('\n')).toMatch(why);
  });

  test('values of an enum', () => {
    const state = { name: 'state', number: 1, type: Type.ENUM, typeName: '.acme.State' };
    const of = (...enumValues: string[]) => definition([state], { enumValues });
    const found = (newer: ReturnType<typeof of>, promise: Compatibility) =>
      protobufs.incompatibilities(of('OPEN', 'PAID'), newer, promise).map((one) => one.message);
    expect(found(of('OPEN', 'PAID', 'VOID'), 'full')).toEqual([]);
    expect(found(of('OPEN'), 'backward')).toEqual(['acme.State.PAID (1) is gone']);
    expect(found(of('OPEN', 'SETTLED'), 'forward')).toEqual(['acme.State.PAID (1) is called SETTLED now']);
  });
});
