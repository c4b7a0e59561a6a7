import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bodyView,
  decodeCursor,
  durationField,
  encodeCursor,
  headerPairs,
  instantIn,
  logPage,
  name,
  pageFields,
  settingsPage,
  sizeIn,
  tenant,
} from './fields.ts';
import { bytes } from '../../test/support/gateway-bench.ts';
import { z } from 'zod';

const invalid = expect.objectContaining({ code: 'validation_failed' });

function accepts(schema: z.ZodType, value: unknown): unknown {
  return schema.safeParse(value).data;
}

describe('cursors', () => {
  test('come back as they went out', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (place) => {
        const cursor = encodeCursor(place) ?? '';
        expect(cursor).toMatch(/^[A-Za-z0-9+/]+$/);
        expect(logPage({ limit: 5, cursor })).toEqual({ limit: 5, before: place });
      }),
    );
    expect(encodeCursor(null)).toBeNull();
    expect(decodeCursor(undefined)).toBeNull();
  });

  test('that this server did not give out are refused', () => {
    const forged = [
      btoa('1:abc'),
      btoa('1:-5'),
      btoa('1:1e999'),
      btoa('1:1.5'),
      btoa('1:'),
      btoa('2:5'),
      '',
      '!',
      '%%',
    ];
    for (const cursor of forged) expect(() => logPage({ limit: 5, cursor }), cursor).toThrow(invalid);
    fc.assert(
      fc.property(fc.string(), (cursor) => {
        try {
          expect(Number.isSafeInteger(logPage({ limit: 5, cursor }).before)).toBe(true);
        } catch (error) {
          expect(error).toEqual(invalid);
        }
      }),
    );
  });
});

describe('pages of settings', () => {
  const items = Array.from({ length: 7 }, (_, index) => ({ id: `src_${index}` }));

  test('show each once, newest first, also when one goes and one comes meanwhile', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(6), (limit, gone) => {
        const seen: string[] = [];
        let present = items;
        let cursor: string | undefined;
        do {
          const page = settingsPage(present, { limit, cursor });
          seen.push(...page.items.map(({ id }) => id));
          cursor = encodeCursor(page.next) ?? undefined;
          present = [...items.filter((_, index) => index !== gone), { id: 'src_9' }];
        } while (cursor !== undefined);
        const expected = items.map(({ id }) => id).toReversed();
        expect(seen.filter((id) => id !== `src_${gone}`)).toEqual(
          expected.filter((id) => id !== `src_${gone}`),
        );
      }),
    );
  });

  test('refuse a cursor of the log', () => {
    expect(() => settingsPage(items, { limit: 1, cursor: encodeCursor(5) ?? '' })).toThrow(invalid);
  });
});

describe('fields', () => {
  test('durations have bounds', () => {
    const field = durationField('1s', '1h');
    expect(['1s', '1h', '90s'].map((text) => accepts(field, text))).toEqual([1_000, 3_600_000, 90_000]);
    for (const text of ['999ms', '61m', 'soon', '', 5, null]) expect(accepts(field, text)).toBeUndefined();
    expect(z.prettifyError(field.safeParse('5').error ?? new z.ZodError([]))).toContain('such as 200ms');
  });

  test('sizes are bytes or text', () => {
    expect(['64KiB', 5].map((size) => accepts(sizeIn, size))).toEqual([65_536, 5]);
    for (const size of ['0B', 0, -1, 1.5, '5', '']) expect(accepts(sizeIn, size)).toBeUndefined();
  });

  test('times have a zone', () => {
    expect(accepts(instantIn, '2025-01-01T00:00:00Z')).toBe(Date.parse('2025-01-01T00:00:00Z'));
    expect(accepts(instantIn, '2025-01-01T01:00:00.5+01:00')).toBe(Date.parse('2025-01-01T00:00:00.500Z'));
    for (const time of ['2025-01-01', '2025-01-01T00:00:00', '2025-13-01T00:00:00Z', 'now', 5]) {
      expect(accepts(instantIn, time), String(time)).toBeUndefined();
    }
  });

  test('names and tenants', () => {
    expect(accepts(name, '  shop ')).toBe('shop');
    for (const text of ['', '  ', 'a\nb', 'a\u0000', 'x'.repeat(101)])
      expect(accepts(name, text)).toBeUndefined();
    expect(accepts(tenant, 'acme_1-x')).toBe('acme_1-x');
    for (const text of ['', 'a b', 'a/b', 'x'.repeat(65)]) expect(accepts(tenant, text)).toBeUndefined();
  });

  test('a page has 1 to 500 items, 50 when nothing is said', () => {
    const query = z.strictObject(pageFields);
    expect(accepts(query, {})).toEqual({ limit: 50 });
    expect(accepts(query, { limit: '500' })).toEqual({ limit: 500 });
    for (const limit of ['0', '501', 'x', '', '1.5']) expect(accepts(query, { limit })).toBeUndefined();
  });
});

describe('what is shown', () => {
  test('headers are pairs, in order', () => {
    expect(headerPairs(['A', '1', 'a', '2'])).toEqual([
      ['A', '1'],
      ['a', '2'],
    ]);
  });

  test('a body is text where that loses nothing, else base64', () => {
    expect(bodyView(bytes('grüße'))).toEqual({ body: 'grüße', body_encoding: 'utf8' });
    expect(bodyView(Uint8Array.from([255, 0]))).toEqual({ body: '/wA=', body_encoding: 'base64' });
    fc.assert(
      fc.property(fc.uint8Array(), (body) => {
        const view = bodyView(body);
        const back = Buffer.from(view.body, view.body_encoding);
        expect(Buffer.compare(back, body)).toBe(0);
      }),
    );
  });

  test('bug: a body lost the byte order mark that it began with', () => {
    expect(Buffer.from(bodyView(bytes('\uFEFFa')).body)).toEqual(Buffer.from('\uFEFFa'));
  });
});
