import { Problem } from '../domain/problem.ts';
import { mapSealedSecrets, sealedSecretsOf } from '../domain/sealed-secrets.ts';
import type { SealedSecret, SettingKind } from '../domain/settings.ts';
import type { Directory } from './directory.ts';
import type { Services } from './services.ts';
import type { Caller, SettingsChanges } from './settings-changes.ts';

/** What a rotation of the keys that seal secrets has done. */
export interface RotationReport {
  /** Whether a new key was made; false when one from before was waiting, or is the operator's to make. */
  readonly newKey: boolean;
  readonly resealedSecrets: number;
  readonly changedSettings: number;
  /** Ids of settings with a secret that no key opens. */
  readonly unreadable: readonly string[];
  readonly removedKeys: number;
  /** Keys that are left: one is enough once nothing is sealed under the others. */
  readonly keys: number;
}

interface Behind {
  readonly kind: SettingKind;
  readonly id: string;
}

const KINDS: readonly SettingKind[] = ['source', 'destination'];
/** A change made while a setting is re-sealed brings its old seal back; each round finds those. */
const MAX_ROUNDS = 5;

/**
 * Seals every secret anew under the newest key.
 *
 * One setting at a time, each in its own commit, so nothing waits for long. Old keys stay until they are
 * asked to go: wherever it stops, by a crash too, both halves open, and the next run goes on from there
 * without making another key.
 */
export class SecretRotation {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #settings: SettingsChanges;
  #running = false;

  constructor(services: Services, directory: Directory, settings: SettingsChanges) {
    this.#services = services;
    this.#directory = directory;
    this.#settings = settings;
  }

  /** Rejects with a `Problem` (`conflict`) while another is under way, or when only the operator can go on. */
  async run(caller: Caller, options: { readonly removeOldKeys: boolean }): Promise<RotationReport> {
    if (this.#running) throw new Problem('conflict', 'the secrets are being sealed anew already');
    this.#running = true;
    try {
      return await this.#run(caller, options.removeOldKeys);
    } finally {
      this.#running = false;
    }
  }

  async #run(caller: Caller, removeOldKeys: boolean): Promise<RotationReport> {
    const { secretKeys, log } = this.#services;
    const newKey = !removeOldKeys && this.#behind().behind.length === 0 && this.#makeKey();
    const resealed = await this.#resealAll(caller);
    const { behind, unreadable } = this.#behind();
    if (behind.length > 0) throw new Problem('conflict', 'settings kept changing meanwhile; ask again');
    const removedKeys = removeOldKeys ? this.#removeOldKeys() : 0;
    const report = { newKey, ...resealed, unreadable, removedKeys, keys: secretKeys.count };
    log.info('secrets.resealed', { ...report, unreadable: unreadable.length });
    return report;
  }

  #makeKey(): boolean {
    const { secretKeys } = this.#services;
    if (secretKeys.isOwn) {
      secretKeys.addNewest();
      return true;
    }
    if (secretKeys.count > 1) return false;
    throw new Problem(
      'conflict',
      'the key is set by RINGBACK_SECRET_KEY: put a new one in front of it, separated by a comma, restart, and ask again',
    );
  }

  #removeOldKeys(): number {
    const { secretKeys } = this.#services;
    if (secretKeys.count === 1) return 0;
    if (secretKeys.isOwn) return secretKeys.keepNewest();
    throw new Problem('conflict', 'the keys are set by RINGBACK_SECRET_KEY: remove all but the first there');
  }

  async #resealAll(caller: Caller): Promise<Pick<RotationReport, 'resealedSecrets' | 'changedSettings'>> {
    let [resealedSecrets, changedSettings] = [0, 0];
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { behind } = this.#behind();
      if (behind.length === 0) break;
      for (const { kind, id } of behind) {
        const count = await this.#reseal(kind, id, caller);
        resealedSecrets += count;
        changedSettings += count > 0 ? 1 : 0;
      }
    }
    return { resealedSecrets, changedSettings };
  }

  async #reseal(kind: SettingKind, id: string, caller: Caller): Promise<number> {
    let count = 0;
    await this.#settings.rewrite(kind, id, caller, (setting) => {
      const after = mapSealedSecrets(kind, setting, (secret) => {
        if (!this.#isBehind(secret, id)) return secret;
        count += 1;
        const { secrets } = this.#services;
        return { ...secret, sealed: secrets.seal(secrets.open(secret.sealed, id), id) };
      });
      return count === 0 ? null : after;
    });
    return count;
  }

  #behind(): { readonly behind: readonly Behind[]; readonly unreadable: readonly string[] } {
    const behind: Behind[] = [];
    const unreadable: string[] = [];
    for (const kind of KINDS) {
      for (const setting of this.#directory.list(kind)) {
        const { id } = setting;
        const secrets = sealedSecretsOf(kind, setting);
        if (secrets.some((secret) => this.#isBehind(secret, id))) behind.push({ kind, id });
        if (secrets.some((secret) => !this.#opens(secret, id))) unreadable.push(id);
      }
    }
    return { behind, unreadable };
  }

  #isBehind(secret: SealedSecret, settingId: string): boolean {
    return !this.#services.secretKeys.isNewest(secret.sealed) && this.#opens(secret, settingId);
  }

  #opens(secret: SealedSecret, settingId: string): boolean {
    try {
      this.#services.secrets.open(secret.sealed, settingId);
      return true;
    } catch {
      // Its key is gone; whoever replaces the secret mends it, and the report names it.
      return false;
    }
  }
}
