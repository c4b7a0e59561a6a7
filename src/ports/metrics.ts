/** What core counts. Adapters turn it into metrics; nothing here may throw or block. */
export interface Metrics {
  eventAccepted(provider: string, bodyBytes: number, durationMs: number): void;
  eventDuplicate(provider: string): void;
  requestRejected(code: string): void;
  attemptFinished(outcome: string, durationMs: number): void;
  deliveryFinished(state: string): void;
}
