import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from '../ports/metrics.ts';

/** One value of a gauge, with its labels when the gauge has several. */
export interface GaugeSample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export type CollectGauge = () => GaugeValue | Promise<GaugeValue>;
export type GaugeValue = number | readonly GaugeSample[];

export interface PrometheusMetrics extends Metrics {
  /** The text format of Prometheus 0.0.4, for `GET /metrics`. */
  render(): Promise<string>;
  readonly contentType: string;
  /**
   * A value that is asked for at each scrape. When `collect` fails the gauge is left out of that
   * scrape: a slow store must not hide the other metrics.
   */
  registerGauge(name: string, help: string, collect: CollectGauge): void;
}

export interface MetricsOptions {
  /** Memory, CPU, event loop and garbage collection of this process. Default true. */
  readonly processMetrics?: boolean;
}

const INGEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const ATTEMPT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BODY_BYTES = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 10_485_760];

/**
 * Metrics for Prometheus in a registry of their own, so that two gateways in one process (as in
 * tests) do not meet.
 *
 * Labels are passed at each call: prom-client hashes them anyway, and a kept `labels()` child was
 * no faster (about 0.1 µs a counter, 0.3 µs a histogram either way).
 */
export function createMetrics(options: MetricsOptions = {}): PrometheusMetrics {
  const registry = new Registry();
  if (options.processMetrics !== false) collectDefaultMetrics({ register: registry });
  return { ...eventMetrics(registry), ...deliveryMetrics(registry), ...exposition(registry) };
}

function eventMetrics(
  registry: Registry,
): Pick<Metrics, 'eventAccepted' | 'eventDuplicate' | 'requestRejected'> {
  const registers = [registry];
  const accepted = new Counter({
    name: 'ringback_events_accepted_total',
    help: 'Events verified and stored.',
    labelNames: ['provider'],
    registers,
  });
  const duplicates = new Counter({
    name: 'ringback_events_duplicate_total',
    help: 'Requests that repeated an event already stored.',
    labelNames: ['provider'],
    registers,
  });
  const rejected = new Counter({
    name: 'ringback_requests_rejected_total',
    help: 'Requests refused at a source, by code.',
    labelNames: ['code'],
    registers,
  });
  const ingestSeconds = new Histogram({
    name: 'ringback_ingest_duration_seconds',
    help: 'From the request to its answer, for accepted events.',
    buckets: INGEST_SECONDS,
    registers,
  });
  const bodyBytes = new Histogram({
    name: 'ringback_event_body_bytes',
    help: 'Body sizes of accepted events.',
    buckets: BODY_BYTES,
    registers,
  });
  return {
    eventAccepted(provider, bytes, durationMs) {
      accepted.inc({ provider });
      ingestSeconds.observe(durationMs / 1_000);
      bodyBytes.observe(bytes);
    },
    eventDuplicate(provider) {
      duplicates.inc({ provider });
    },
    requestRejected(code) {
      rejected.inc({ code });
    },
  };
}

function deliveryMetrics(registry: Registry): Pick<Metrics, 'attemptFinished' | 'deliveryFinished'> {
  const registers = [registry];
  const attempts = new Counter({
    name: 'ringback_attempts_total',
    help: 'Attempts made, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const attemptSeconds = new Histogram({
    name: 'ringback_attempt_duration_seconds',
    help: 'From the start of an attempt to its outcome.',
    labelNames: ['outcome'],
    buckets: ATTEMPT_SECONDS,
    registers,
  });
  const deliveries = new Counter({
    name: 'ringback_deliveries_total',
    help: 'Deliveries that reached a final state, by state.',
    labelNames: ['state'],
    registers,
  });
  return {
    attemptFinished(outcome, durationMs) {
      attempts.inc({ outcome });
      attemptSeconds.observe({ outcome }, durationMs / 1_000);
    },
    deliveryFinished(state) {
      deliveries.inc({ state });
    },
  };
}

function exposition(registry: Registry): Pick<PrometheusMetrics, 'render' | 'contentType' | 'registerGauge'> {
  const gauges = new Map<string, () => Promise<void>>();
  return {
    contentType: registry.contentType,
    async render() {
      await Promise.all(Array.from(gauges.values(), (refresh) => refresh()));
      return registry.metrics();
    },
    registerGauge(name, help, collect) {
      if (gauges.has(name)) throw new TypeError(`the gauge ${name} is already registered`);
      gauges.set(name, async () => {
        const samples = await collected(collect);
        // Made anew for each scrape: resetting one would show 0 where there is no value.
        registry.removeSingleMetric(name);
        if (samples.length === 0) return;
        const labelNames = Object.keys(samples[0]?.labels ?? {});
        const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
        for (const { labels = {}, value } of samples) gauge.set(labels, value);
      });
    },
  };
}

async function collected(collect: CollectGauge): Promise<readonly GaugeSample[]> {
  try {
    const value = await collect();
    return typeof value === 'number' ? [{ value }] : value;
  } catch {
    return [];
  }
}
