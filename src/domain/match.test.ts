import { describe, expect, test, vi } from 'vitest';
import { buildEvent, START_MS } from '../testing/builders.ts';
import { buildSubscription } from '../testing/setting-builders.ts';
import { isCandidate, matchCandidate, matchSubscription } from './match.ts';

const event = buildEvent({ sourceId: 'src_one', type: 'invoice.paid' });
const yes = () => ({ value: true });

describe('a subscription matches', () => {
  test.each([
    ['everything of any source when it names nothing', {}],
    ['a source that it names', { sources: ['src_other', 'src_one'] }],
    ['one of its types', { types: ['order.*', 'invoice.*'] }],
    ['until it expires', { expiresAt: START_MS + 1 }],
  ])('%s', (_, overrides) => {
    expect(matchSubscription(event, buildSubscription(overrides), null)).toEqual({
      matched: true,
      reason: 'matched',
    });
  });

  test('a published event only when it names no source', () => {
    const published = { ...event, sourceId: null };
    expect(matchSubscription(published, buildSubscription(), null).matched).toBe(true);
    expect(matchSubscription(published, buildSubscription({ sources: ['src_one'] }), null).reason).toBe(
      'source_differs',
    );
  });
});

describe('a subscription does not match, and says why:', () => {
  const filter = vi.fn(yes);

  test.each([
    ['disabled', { enabled: false, sources: ['src_other'] }],
    ['expired', { expiresAt: START_MS, sources: ['src_other'] }],
    ['source_differs', { sources: ['src_other'], types: ['order.*'] }],
    ['type_differs', { types: ['order.*', 'invoice'] }],
  ])('%s, before the filter is asked', (reason, overrides) => {
    const verdict = matchSubscription(event, buildSubscription(overrides), filter);
    expect(verdict).toEqual({ matched: false, reason });
    expect(filter).not.toHaveBeenCalled();
  });

  test('filter_false and filter_failed', () => {
    const subscription = buildSubscription();
    expect(matchSubscription(event, subscription, yes).reason).toBe('matched');
    expect(matchSubscription(event, subscription, () => ({ value: false })).reason).toBe('filter_false');
    expect(matchSubscription(event, subscription, () => ({ error: 'data.x is absent' }))).toEqual({
      matched: false,
      reason: 'filter_failed',
      detail: 'data.x is absent',
    });
  });
});

test('a candidate is what source and type let through, whatever else holds', () => {
  const off = buildSubscription({ enabled: false, types: ['invoice.*'], sources: ['src_one'] });
  expect(isCandidate('src_one', 'invoice.paid', off)).toBe(true);
  expect(isCandidate('src_two', 'invoice.paid', off)).toBe(false);
  expect(isCandidate('src_one', 'order.paid', off)).toBe(false);
});

test.each([
  ['matched', {}, yes],
  ['disabled', { enabled: false }, yes],
  ['expired', { expiresAt: START_MS }, yes],
  ['filter_false', {}, () => ({ value: false })],
  ['filter_failed', {}, () => ({ error: 'data.x is absent' })],
])('a candidate is judged as in the whole match: %s', (reason, overrides, filter) => {
  const subscription = buildSubscription({ ...overrides, types: ['invoice.*'], sources: ['src_one'] });
  const verdict = matchCandidate(event, subscription, filter);
  expect(verdict.reason).toBe(reason);
  expect(verdict).toEqual(matchSubscription(event, subscription, filter));
});
