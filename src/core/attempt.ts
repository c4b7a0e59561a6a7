import { type Attempt, attemptId, SUBSCRIPTION_SUSPENDED } from '../domain/delivery.ts';
import { judge, type Judgement, type SendResult } from '../domain/outcome.ts';
import { DEFAULT_RETRY_POLICY, retryDelayMs } from '../domain/retry-schedule.ts';
import type { Destination, Subscription } from '../domain/settings.ts';
import type { LeasedDelivery, Settlement } from '../ports/event-log.ts';
import type { DestinationHealth } from './destination-health.ts';
import type { Directory } from './directory.ts';
import { OPERATOR_SOURCE, type OperatorEvents } from './operator-events.ts';
import type { OutboundRequests } from './outbound-request.ts';
import type { Services } from './services.ts';
import type { Suspensions } from './suspensions.ts';

type Next = Settlement['next'];

/** Records an outcome; resolves with when the delivery is due again, `null` when it is not. */
export type Finish = () => Promise<number | null>;

const SETTLE_RETRY_MS = 500;

/** Makes attempts: destination -> request -> sender -> outcome -> settlement. */
export class Attempts {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #requests: OutboundRequests;
  readonly #health: DestinationHealth;
  readonly #events: OperatorEvents;
  readonly #suspensions: Suspensions;

  constructor(
    services: Services,
    directory: Directory,
    requests: OutboundRequests,
    health: DestinationHealth,
    events: OperatorEvents,
    suspensions: Suspensions,
  ) {
    this.#suspensions = suspensions;
    this.#services = services;
    this.#directory = directory;
    this.#requests = requests;
    this.#health = health;
    this.#events = events;
  }

  /** One attempt of a leased delivery. Never rejects: what goes wrong is an outcome. */
  async attempt(delivery: LeasedDelivery): Promise<Finish> {
    const destination = this.#directory.destination(delivery.destinationId);
    const subscription =
      delivery.subscriptionId === null
        ? undefined
        : this.#directory.get('subscription', delivery.subscriptionId);
    const ended = this.#endWithoutAttempt(delivery, destination, subscription);
    if (ended !== null) return () => this.#settle(delivery, subscription, null, ended);
    if (destination === undefined) throw new Error('unreachable: a missing destination ends the delivery');
    const startedAt = this.#services.clock.now();
    try {
      return await this.#send(delivery, destination, subscription, startedAt);
    } catch (error) {
      // A bug, or a secret that does not open. Unrecorded, it would meet the next process again.
      this.#services.log.error('attempt.failed', { delivery_id: delivery.id }, error);
      return this.#finish(delivery, subscription, startedAt, failedBeforeSending(''), INTERNAL);
    }
  }

  /** Returns a delivery that was leased but not attempted; it is due at once and its attempt is uncounted. */
  giveBack(delivery: LeasedDelivery): Promise<number | null> {
    // Not due as of now, but of when it was made: else what came later would go before it.
    const dueAt = delivery.createdAt;
    return this.#settle(delivery, undefined, null, { state: 'pending', dueAt, reason: null });
  }

  async #send(
    delivery: LeasedDelivery,
    destination: Destination,
    subscription: Subscription | undefined,
    startedAt: number,
  ): Promise<Finish> {
    const request = this.#requests.build(delivery, destination, subscription, startedAt);
    if ('failure' in request) {
      const judgement: Judgement = { ...PERMANENT, error: request.reason };
      return this.#finish(delivery, subscription, startedAt, failedBeforeSending(request.failure), judgement);
    }
    const result = await this.#services.sender.send(request);
    const judgement = judge(result, subscription?.onClientError ?? 'retry', this.#services.clock.now());
    const disabled = this.#health.record(destination, judgement, result.status, startedAt);
    if (disabled !== null) await disabled;
    return this.#finish(delivery, subscription, startedAt, result, judgement);
  }

  #endWithoutAttempt(
    delivery: LeasedDelivery,
    destination: Destination | undefined,
    subscription: Subscription | undefined,
  ): Next | null {
    if (destination === undefined) return { state: 'cancelled', reason: 'destination_deleted' };
    if (destination.state === 'disabled') return { state: 'dead', reason: 'destination_disabled' };
    if (delivery.subscriptionId !== null && subscription === undefined) {
      return { state: 'cancelled', reason: 'subscription_deleted' };
    }
    if ((subscription?.suspended ?? null) !== null) {
      return { state: 'pending', dueAt: null, reason: SUBSCRIPTION_SUSPENDED };
    }
    const expiryMs = subscription?.deliveryExpiryMs ?? null;
    if (expiryMs !== null && this.#services.clock.now() - delivery.createdAt >= expiryMs) {
      return { state: 'dead', reason: 'expired' };
    }
    // Only lost workers get here: their attempts count although nobody saw an outcome.
    const { maxAttempts } = subscription?.retry ?? DEFAULT_RETRY_POLICY;
    return delivery.attempt > maxAttempts ? { state: 'dead', reason: 'attempts_exhausted' } : null;
  }

  #finish(
    delivery: LeasedDelivery,
    subscription: Subscription | undefined,
    startedAt: number,
    result: SendResult,
    judgement: Judgement,
  ): Finish {
    const next = this.#next(delivery, subscription, judgement);
    if (subscription !== undefined) {
      this.#suspensions.record(subscription, judgement.outcome === 'succeeded', judgement.error);
    }
    const attempt: Attempt = {
      number: delivery.attempt,
      startedAt,
      durationMs: result.durationMs,
      outcome: judgement.outcome,
      status: result.status,
      error: judgement.error,
      responseHeaders: result.headers,
      responseBody: result.body,
      nextAttemptAt: next.state === 'pending' ? next.dueAt : null,
    };
    this.#services.metrics.attemptFinished(attempt.outcome, attempt.durationMs);
    this.#services.log.info('delivery.attempted', {
      event_id: delivery.event.id,
      delivery_id: delivery.id,
      attempt_id: attemptId(delivery.id, delivery.attempt),
      attempt: delivery.attempt,
      destination_id: delivery.destinationId,
      subscription_id: delivery.subscriptionId,
      tenant: delivery.tenant,
      outcome: attempt.outcome,
      status: attempt.status,
      error_category: attempt.error,
      duration_ms: Math.round(attempt.durationMs),
      state: next.state,
      next_attempt_at: attempt.nextAttemptAt,
    });
    return () => this.#settle(delivery, subscription, attempt, next);
  }

  #next(delivery: LeasedDelivery, subscription: Subscription | undefined, judgement: Judgement): Next {
    if (judgement.outcome === 'succeeded') return { state: 'succeeded' };
    if (judgement.gone) return { state: 'dead', reason: 'destination_gone' };
    if (judgement.outcome === 'permanent') return { state: 'dead', reason: judgement.error ?? 'permanent' };
    const delayMs = retryDelayMs(
      subscription?.retry ?? DEFAULT_RETRY_POLICY,
      delivery.attempt,
      this.#services.random.fraction(),
      judgement.retryAfterMs,
    );
    if (delayMs === null) return { state: 'dead', reason: 'attempts_exhausted' };
    return { state: 'pending', dueAt: this.#services.clock.now() + delayMs, reason: judgement.error };
  }

  /** Records the outcome, again and again while the lease lasts: a full disk must not repeat a delivery. */
  async #settle(
    delivery: LeasedDelivery,
    subscription: Subscription | undefined,
    attempt: Attempt | null,
    next: Next,
  ): Promise<number | null> {
    const { clock, store, log, metrics } = this.#services;
    for (;;) {
      try {
        const settlement = {
          deliveryId: delivery.id,
          token: delivery.token,
          atMs: clock.now(),
          attempt,
          next,
        };
        const settled = await store.log.settle(settlement);
        if (settled === 'lease_lost') log.warn('lease.lost', { delivery_id: delivery.id });
        else if (next.state !== 'pending') {
          metrics.deliveryFinished(next.state);
          if (next.state === 'dead') this.#died(delivery, next.reason);
        }
        if (settled === 'lease_lost') return null;
        if (next.state === 'pending') {
          if (next.dueAt === null && subscription !== undefined) this.#suspensions.noteHeld(subscription.id);
          return next.dueAt;
        }
        // The next one of its order key is due now.
        return subscription?.ordering === 'key' ? clock.now() : null;
      } catch (error) {
        log.error('settlement.failed', { delivery_id: delivery.id }, error);
        if (clock.now() + SETTLE_RETRY_MS >= delivery.leaseUntil) return null;
        await new Promise<void>((resolve) => {
          clock.after(SETTLE_RETRY_MS, resolve);
        });
      }
    }
  }

  /** Operator events are not told about deliveries of operator events: a dead one would tell of itself for ever. */
  #died(delivery: LeasedDelivery, reason: string): void {
    if (delivery.event.source === OPERATOR_SOURCE) {
      this.#services.log.warn('delivery.died', { delivery_id: delivery.id, reason });
      return;
    }
    this.#events.tell('delivery.died', delivery.tenant, delivery.destinationId, {
      delivery_id: delivery.id,
      event_id: delivery.event.id,
      event_type: delivery.event.type,
      destination_id: delivery.destinationId,
      subscription_id: delivery.subscriptionId,
      reason,
    });
  }
}

const PERMANENT: Judgement = {
  outcome: 'permanent',
  error: 'transform_failed',
  retryAfterMs: null,
  gone: false,
};

const INTERNAL: Judgement = {
  outcome: 'retryable',
  error: 'internal_error',
  retryAfterMs: null,
  gone: false,
};

function failedBeforeSending(why: string): SendResult {
  return { status: null, error: null, headers: [], body: why, durationMs: 0 };
}
