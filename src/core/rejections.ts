import { Problem, type ProblemCode, type ProblemExtra } from '../domain/problem.ts';
import { TokenBucket } from '../domain/rate-limit.ts';
import { type Rejection, REJECTION_BODY_LIMIT } from '../domain/records.ts';
import { DEFAULT_TENANT, type Source } from '../domain/settings.ts';
import type { RejectionBounds } from '../ports/store.ts';
import type { Directory } from './directory.ts';
import { FairQueues } from './fair-queues.ts';
import type { Services } from './services.ts';

export interface RefusedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  readonly remoteAddress: string | null;
}

/** Recorded at most this often, so that a flood of forgeries costs the store next to nothing. */
const RECORDED = { limit: 200, periodMs: 1_000 };
/** Refusals that wait to be chosen from, over all sources: a few megabytes at the most. */
const MOST_WAITING = 1_000;
const FLUSH_AFTER_MS = 50;

/** Keeps what was refused, for whoever wonders why nothing arrives. Best effort: bounded, not durable. */
export class Rejections {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #bounds: RejectionBounds;
  readonly #bucket: TokenBucket;
  /** What waits, by source: one that is attacked must not hide what happens at the others. */
  readonly #waiting = new FairQueues<Rejection>(MOST_WAITING);
  #dropped = 0;
  #flushPlanned = false;
  #written: Promise<void> = Promise.resolve();

  constructor(services: Services, directory: Directory, bounds: RejectionBounds) {
    this.#services = services;
    this.#directory = directory;
    this.#bounds = bounds;
    this.#bucket = new TokenBucket(RECORDED, services.clock.now());
  }

  /** Notes the refusal and returns the problem to answer with. */
  refuse(
    request: RefusedRequest,
    source: Source | null,
    code: ProblemCode,
    reason: string,
    detail: string,
    extra: ProblemExtra = {},
  ): Problem {
    const { metrics, log, clock, ids } = this.#services;
    metrics.requestRejected(code);
    log.info('request.rejected', { request_id: request.requestId, source_id: source?.id, code, reason });
    const from = source?.id ?? '';
    if (this.#waiting.sizeOf(from) >= RECORDED.limit || !this.#waiting.hasPlaceFor(from)) {
      this.#dropped += 1;
      return new Problem(code, detail, extra);
    }
    const { path, headers } = this.#withoutSecrets(request, source);
    const dropped = this.#waiting.add(from, {
      id: ids.make('rej'),
      tenant: source?.tenant ?? DEFAULT_TENANT,
      sourceId: source?.id ?? null,
      requestId: request.requestId,
      at: clock.now(),
      code,
      reason,
      remoteAddress: request.remoteAddress,
      method: request.method,
      path: path.slice(0, 1_024),
      headers: boundedHeaders(headers),
      body: request.body.slice(0, REJECTION_BODY_LIMIT),
      bodyBytes: request.body.byteLength,
    });
    if (dropped !== undefined) this.#dropped += 1;
    this.#flushSoon();
    return new Problem(code, detail, extra);
  }

  /** Writes what waits; resolves when all that was refused before is written. */
  flush(): Promise<void> {
    // One after the other: who asks while a write is under way must not look before it has ended.
    this.#written = this.#written.then(() => this.#write());
    return this.#written;
  }

  async #write(): Promise<void> {
    const now = this.#services.clock.now();
    const chosen = this.#waiting.take(() => this.#bucket.take(now) === 0);
    const rejections = chosen.toSorted((left, right) => (left.id < right.id ? -1 : 1));
    this.#dropped += this.#waiting.clear();
    this.#flushPlanned = false;
    if (this.#dropped > 0) {
      this.#services.log.warn('rejections.dropped', { count: this.#dropped });
      this.#dropped = 0;
    }
    if (rejections.length === 0) return;
    try {
      await this.#services.store.upkeep.recordRejections(rejections, this.#bounds);
    } catch (error) {
      this.#services.log.error('rejections.lost', { count: rejections.length }, error);
    }
  }

  /** A request may be refused although its secret is right. */
  #withoutSecrets(request: RefusedRequest, source: Source | null): Pick<RefusedRequest, 'headers' | 'path'> {
    const path = withoutCredentials(request.path);
    const nearlyRight = { headers: request.headers, path };
    if (source === null) return nearlyRight;
    try {
      return this.#directory.hideSecrets(source)(nearlyRight);
    } catch {
      // Its secrets cannot be opened, so nobody can say whether the request shows one.
      return { headers: [], path: '' };
    }
  }

  #flushSoon(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#services.clock.after(FLUSH_AFTER_MS, () => void this.flush());
  }
}

/** Header values may hold credentials that were nearly right: those are not kept. */
const CREDENTIAL_HEADERS = /authorization|cookie|token|secret|password|api-?key/i;

/** The same in a query. */
const CREDENTIAL_PARAMETERS = /auth|token|secret|password|key|sig/i;

/**
 * Piece by piece: one expression over the whole query took time by the cube of its length, for anybody
 * who called any path.
 */
function withoutCredentials(path: string): string {
  let kept = '';
  let isHiding = false;
  for (const piece of path.split(/(?=[?&])/)) {
    // A question mark inside a value belongs to the value.
    if (isHiding && piece.startsWith('?')) continue;
    const equals = piece.indexOf('=');
    isHiding = /^[?&]/.test(piece) && equals > 0 && CREDENTIAL_PARAMETERS.test(piece.slice(1, equals));
    kept += isHiding ? `${piece.slice(0, equals + 1)}(hidden)` : piece;
  }
  return kept;
}

function boundedHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < Math.min(headers.length, 128); index += 2) {
    const name = headers[index] ?? '';
    const value = CREDENTIAL_HEADERS.test(name) ? '(hidden)' : (headers[index + 1] ?? '').slice(0, 512);
    kept.push(name.slice(0, 128), value);
  }
  return kept;
}
