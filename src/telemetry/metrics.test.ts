import { describe, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

function own(): ReturnType<typeof createMetrics> {
  return createMetrics({ processMetrics: false });
}

describe('metrics', () => {
  it('count what core tells them', async () => {
    const metrics = own();
    metrics.eventAccepted('stripe', 300, 4);
    metrics.eventAccepted('stripe', 70_000, 40);
    metrics.eventDuplicate('github');
    metrics.requestRejected('signature_mismatch');
    metrics.attemptFinished('succeeded', 120);
    metrics.deliveryFinished('dead');
    const text = await metrics.render();
    for (const line of [
      'ringback_events_accepted_total{provider="stripe"} 2',
      'ringback_events_duplicate_total{provider="github"} 1',
      'ringback_requests_rejected_total{code="signature_mismatch"} 1',
      'ringback_attempts_total{outcome="succeeded"} 1',
      'ringback_deliveries_total{state="dead"} 1',
      'ringback_ingest_duration_seconds_bucket{le="0.005"} 1',
      'ringback_ingest_duration_seconds_count 2',
      'ringback_event_body_bytes_bucket{le="1024"} 1',
      'ringback_attempt_duration_seconds_sum{outcome="succeeded"} 0.12',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it('of two gateways do not meet', async () => {
    const [one, other] = [own(), own()];
    one.eventDuplicate('stripe');
    expect(await other.render()).not.toContain('stripe');
  });

  it('include those of the process unless told otherwise', async () => {
    expect(await createMetrics().render()).toContain('process_resident_memory_bytes');
    expect(await own().render()).not.toContain('process_');
  });
});

describe('gauges', () => {
  it('are asked at each scrape', async () => {
    const metrics = own();
    let pending = 1;
    metrics.registerGauge('ringback_deliveries_in_flight', 'In flight.', () => pending++);
    expect(await metrics.render()).toContain('ringback_deliveries_in_flight 1\n');
    expect(await metrics.render()).toContain('ringback_deliveries_in_flight 2\n');
  });

  it('may have labels, and forget those that are gone', async () => {
    const metrics = own();
    let states = ['pending', 'leased'];
    metrics.registerGauge('ringback_deliveries', 'By state.', () =>
      Promise.resolve(states.map((state) => ({ value: 5, labels: { state } }))),
    );
    expect(await metrics.render()).toContain('ringback_deliveries{state="leased"} 5\n');
    states = ['pending'];
    expect(await metrics.render()).not.toContain('leased');
  });

  it('that fail are left out, and come back', async () => {
    const metrics = own();
    let broken = true;
    metrics.eventDuplicate('stripe');
    metrics.registerGauge('ringback_store_bytes', 'Size.', () => {
      if (broken) throw new Error('locked');
      return 7;
    });
    const text = await metrics.render();
    expect(text).toContain('ringback_events_duplicate_total{provider="stripe"} 1\n');
    expect(text).not.toContain('ringback_store_bytes');
    broken = false;
    expect(await metrics.render()).toContain('ringback_store_bytes 7\n');
    broken = true;
    expect(await metrics.render()).not.toContain('ringback_store_bytes');
    expect(() => metrics.registerGauge('ringback_store_bytes', '', () => 1)).toThrow('already registered');
  });
});
