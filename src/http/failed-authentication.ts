import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from '../domain/problem.ts';
import type { Logger } from '../ports/logger.ts';

const WINDOW_MS = 60_000;
/** Wrong keys in a window that cost nothing: someone who mistypes is not an attacker. */
const FREE_FAILURES = 5;
/** From then on they are refused at once: a slowed answer costs us a connection. */
const MAX_FAILURES = 30;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 2_000;
const MAX_ADDRESSES = 10_000;
/** Answers held back at once, over all addresses. */
const MAX_HELD = 256;

export interface FailedAuthenticationOptions {
  readonly log: Pick<Logger, 'warn'>;
  /** Milliseconds that only grow; absent = since the process started. */
  readonly monotonicMs?: () => number;
  readonly wait?: (ms: number) => Promise<unknown>;
}

interface Window {
  readonly endsAtMs: number;
  failures: number;
}

/**
 * Slows those who try API keys. It is asked only once a key has been found wrong, so a right key is never
 * slowed, whoever else is behind the same address.
 */
export class FailedAuthentication {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #nowMs: () => number;
  readonly #wait: (ms: number) => Promise<unknown>;
  /** By network, in the order in which their windows began. */
  readonly #windows = new Map<string, Window>();
  #held = 0;

  constructor(options: FailedAuthenticationOptions) {
    this.#log = options.log;
    this.#nowMs = options.monotonicMs ?? (() => performance.now());
    this.#wait = options.wait ?? ((ms) => delay(ms));
  }

  /** Resolves when the failure may be told. Rejects with a `Problem` (`rate_limited`) when there were too many. */
  async hold(address: string | null): Promise<void> {
    const { failures, endsAtMs } = this.#count(networkOf(address), address);
    const over = failures - FREE_FAILURES;
    if (over <= 0) return;
    if (failures > MAX_FAILURES || this.#held >= MAX_HELD) {
      throw new Problem('rate_limited', 'too many wrong API keys came from your address', {
        retryAfterS: Math.max(1, Math.ceil((endsAtMs - this.#nowMs()) / 1000)),
      });
    }
    this.#held += 1;
    try {
      await this.#wait(Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (over - 1)));
    } finally {
      this.#held -= 1;
    }
  }

  #count(network: string, address: string | null): Window {
    const nowMs = this.#nowMs();
    const known = this.#windows.get(network);
    if (known !== undefined && nowMs < known.endsAtMs) {
      known.failures += 1;
      // Once in a window, or an attacker would write our log.
      if (known.failures === FREE_FAILURES + 1) {
        this.#log.warn('authentication.slowed', { remote_address: address, failures: known.failures });
      }
      return known;
    }
    const fresh = { endsAtMs: nowMs + WINDOW_MS, failures: 1 };
    this.#windows.delete(network);
    this.#windows.set(network, fresh);
    if (this.#windows.size > MAX_ADDRESSES) {
      const [oldest] = this.#windows.keys();
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    return fresh;
  }
}

/** An IPv6 user has a whole /64 to come from (RFC 6177), so that is what is counted. */
function networkOf(address: string | null): string {
  if (address === null || isIP(address) !== 6) return address ?? '';
  const [head = '', tail] = address.split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = (tail ?? '').split(':').filter((group) => group !== '');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
