import { awaitsSecret } from '../domain/awaited-secret.ts';
import { Problem } from '../domain/problem.ts';
import type { Source } from '../domain/settings.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { RefusedRequest } from './rejections.ts';
import type { Services } from './services.ts';
import { hideSecrets } from './shown-secrets.ts';
import { type Caller, GATEWAY_ITSELF, type SettingsChanges } from './settings-changes.ts';

/**
 * Keeps the secrets that providers hand over in a handshake.
 *
 * Nothing proves such a request but the URL that it came to. So one is taken only by a source that its
 * owner let wait for it, the first one ends the wait, and from then on no request changes anything.
 */
export class LearnedSecrets {
  readonly #services: Services;
  readonly #settings: SettingsChanges;
  readonly #events: OperatorEvents;

  constructor(services: Services, settings: SettingsChanges, events: OperatorEvents) {
    this.#services = services;
    this.#settings = settings;
    this.#events = events;
  }

  /**
   * Keeps the secret as the newest, sealed; the ones before go on counting. False when the source does
   * not wait for one any more: then the request is to be treated like any other that is not proven.
   *
   * Resolves when it is on disk: answered before, a crash would leave us with a sender that signs with
   * what nobody knows. Rejects with a `Problem` (`store_unavailable`), so that the sender asks again.
   */
  async keep(sourceId: string, secret: string, remoteAddress: string | null): Promise<boolean> {
    const author: Caller = { ...GATEWAY_ITSELF, remoteAddress };
    try {
      // Two that come together: the second one finds what the first has made of the source.
      const kept = await this.#settings.rewrite('source', sourceId, author, (source) =>
        this.#withSecret(source, secret),
      );
      if (kept !== null) this.#tell(kept, remoteAddress);
      return kept !== null;
    } catch (error) {
      this.#services.log.error('source.secret_not_kept', { source_id: sourceId }, error);
      throw new Problem('store_unavailable', 'the secret could not be kept; send it again', {
        retryAfterS: 5,
        cause: error,
      });
    }
  }

  #withSecret(source: Source, text: string): Source | null {
    const { clock, secrets } = this.#services;
    const now = clock.now();
    if (!awaitsSecret(source, now)) return null;
    const secret = {
      sealed: secrets.seal(text, source.id),
      createdAt: now,
      expiresAt: null,
      learned: true,
    };
    return { ...source, secrets: [secret, ...source.secrets], awaitsSecret: null, updatedAt: now };
  }

  #tell({ id, name, tenant, provider }: Source, remoteAddress: string | null): void {
    this.#events.tell('source.secret_learned', tenant, id, {
      source_id: id,
      name,
      provider,
      remote_address: remoteAddress,
    });
  }
}

const NO_BODY = new Uint8Array(0);

/** What may be kept of a refused request that brings a secret: it could be the one that is used next. */
export function withoutBroughtSecret<Request extends RefusedRequest>(
  request: Request,
  secret: string | undefined,
): Request {
  return secret === undefined ? request : { ...hideSecrets([secret])(request), body: NO_BODY };
}
