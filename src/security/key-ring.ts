import type { Randomness } from '../ports/randomness.ts';
import type { SecretBox, SecretKeys } from '../ports/secret-box.ts';
import { loadOrCreateSecretKeys, replaceSecretKeys } from './key-file.ts';
import { createSecretBox, SECRET_KEY_BYTES, secretKeyId } from './secret-box.ts';

/** Where a gateway keeps keys of its own. */
export interface OwnKeyFile {
  readonly path: string;
  readonly randomness: Pick<Randomness, 'bytes'>;
}

/** A secret box whose keys can be changed while it is in use. */
export class KeyRing implements SecretBox, SecretKeys {
  readonly #file: OwnKeyFile | null;
  /** Newest first. */
  #keys: readonly Uint8Array[];
  #box: SecretBox;

  private constructor(keys: readonly Uint8Array[], file: OwnKeyFile | null) {
    this.#file = file;
    this.#keys = keys;
    this.#box = createSecretBox(keys);
  }

  /** Keys that the operator gives and keeps. */
  static ofOperator(keys: readonly Uint8Array[]): KeyRing {
    return new KeyRing(keys, null);
  }

  /** Keys in a file, which is made when it is missing. Throws `KeyFileError`. */
  static inFile(file: OwnKeyFile): KeyRing {
    return new KeyRing(loadOrCreateSecretKeys(file.path, file.randomness), file);
  }

  get isOwn(): boolean {
    return this.#file !== null;
  }

  get count(): number {
    return this.#keys.length;
  }

  get ids(): string[] {
    return this.#keys.map((key) => secretKeyId(key));
  }

  seal(plaintext: string, context: string): string {
    return this.#box.seal(plaintext, context);
  }

  open(sealed: string, context: string): string {
    return this.#box.open(sealed, context);
  }

  digest(text: string): string {
    return this.#box.digest(text);
  }

  isNewest(sealed: string): boolean {
    const [newest] = this.#keys;
    return newest !== undefined && sealed.split('.')[1] === secretKeyId(newest);
  }

  addNewest(): void {
    const file = this.#ownFile();
    this.#replace(file, [file.randomness.bytes(SECRET_KEY_BYTES), ...this.#keys]);
  }

  keepNewest(): number {
    const removed = this.#keys.length - 1;
    if (removed > 0) this.#replace(this.#ownFile(), this.#keys.slice(0, 1));
    return removed;
  }

  /** The file first: a secret sealed under a key that only memory holds would be lost with the process. */
  #replace(file: OwnKeyFile, keys: readonly Uint8Array[]): void {
    replaceSecretKeys(file.path, this.#keys, keys);
    this.#keys = keys;
    this.#box = createSecretBox(keys);
  }

  #ownFile(): OwnKeyFile {
    if (this.#file === null) throw new TypeError('these keys are the operator’s to change');
    return this.#file;
  }
}
