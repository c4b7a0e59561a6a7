/**
 * Keeps secrets unreadable at rest.
 *
 * `context` (what the secret belongs to, e.g. the setting's id) is bound to the sealed text: a sealed
 * secret copied to another record does not open there.
 */
export interface SecretBox {
  seal(plaintext: string, context: string): string;
  /** Throws when the text was changed, belongs to another context or was sealed under another key. */
  open(sealed: string, context: string): string;
  /** SHA-256 as lower-case hex: API keys are kept and compared only like this. */
  digest(text: string): string;
}

/** The keys of a `SecretBox`, newest first, and how new ones take over. */
export interface SecretKeys {
  /** Whether the gateway keeps them itself; otherwise only the operator can change them. */
  readonly isOwn: boolean;
  readonly count: number;
  /** Names of the keys, the one that seals first. They say nothing of the keys. */
  readonly ids: readonly string[];
  /** Whether a sealed text was sealed under the newest key. */
  isNewest(sealed: string): boolean;
  /** A new key seals from now on. It is on disk before it seals anything. Throws when it cannot be kept. */
  addNewest(): void;
  /**
   * Forgets every key but the newest and answers how many went. What is sealed under those cannot be
   * opened again, in backups too.
   */
  keepNewest(): number;
}
