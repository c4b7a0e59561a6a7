/** Types of events, each with its data: `{ 'invoice.paid': Invoice }`. */
export type EventMap = Readonly<Record<string, unknown>>;

/** Data of the events about a destination. */
interface AboutDestination {
  readonly destination_id: string;
  readonly name: string;
}

/**
 * The events that Ringback itself publishes, to be told of trouble: subscribe to the source
 * `ringback`. Join them to a map of your own: `MyEvents & RingbackEvents`.
 */
export interface RingbackEvents {
  readonly 'breaker.opened': AboutDestination & { readonly error: string | null };
  readonly 'breaker.closed': AboutDestination & { readonly error: string | null };
  readonly 'destination.failing': AboutDestination & {
    readonly error: string | null;
    readonly failing_since: string;
  };
  readonly 'destination.disabled': AboutDestination & { readonly reason: string };
  readonly 'delivery.died': {
    readonly delivery_id: string;
    readonly event_id: string;
    readonly event_type: string;
    readonly destination_id: string;
    readonly subscription_id: string | null;
    readonly reason: string;
  };
  readonly 'source.secret_learned': {
    readonly source_id: string;
    readonly name: string;
    readonly provider: string;
    readonly remote_address: string | null;
  };
  readonly 'source.silent': {
    readonly source_id: string;
    readonly name: string;
    /** `null` = it never brought anything. */
    readonly last_event_at: string | null;
    readonly silent_s: number;
    readonly expect_every_s: number;
  };
  readonly 'source.recovered': {
    readonly source_id: string;
    readonly name: string;
    readonly silent_s: number;
  };
  readonly 'subscription.suspended': {
    readonly subscription_id: string;
    readonly name: string;
    readonly destination_id: string;
    readonly attempts: number;
    readonly failed: number;
    readonly error: string | null;
    readonly reason: string;
  };
  readonly 'chain.stopped': {
    readonly event_id: string;
    readonly event_type: string;
    readonly source_id: string | null;
    readonly source: string;
    readonly hops: number;
    readonly max_hops: number;
  };
  readonly 'retention.behind': {
    readonly size_bytes: number;
    readonly max_bytes: number;
    readonly why: string;
  };
  /** What `destinations test` sends. */
  readonly 'ringback.test': unknown;
}
