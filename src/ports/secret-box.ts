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
