import { Problem } from '../../domain/problem.ts';

/** The size is asked for at most this often: it is a sum over all files of the schema. */
const MEASURE_EVERY_MS = 15_000;

/** Refuses appends while the store is larger than the operator allows, as a full disk would. */
export class SizeLimit {
  readonly #maxBytes: number;
  readonly #measure: () => Promise<number>;
  #bytes = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** `maxBytes` of 0 is no limit. */
  constructor(maxBytes: number, measure: () => Promise<number>) {
    this.#maxBytes = maxBytes;
    this.#measure = measure;
  }

  /** Throws when the limit was passed when the size was last looked at, some seconds ago. */
  check(): void {
    if (this.#maxBytes === 0) return;
    if (performance.now() - this.#measuredAt >= MEASURE_EVERY_MS) void this.#look();
    if (this.#bytes <= this.#maxBytes) return;
    throw new Problem('store_unavailable', 'the store has reached its limit, RINGBACK_STORE_MAX_SIZE', {
      retryAfterS: 60,
    });
  }

  async #look(): Promise<void> {
    this.#measuredAt = performance.now();
    // What was known stays in force while the size cannot be asked for.
    this.#bytes = await this.#measure().catch(() => this.#bytes);
  }
}
