import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Randomness } from '../ports/randomness.ts';
import { isApiKey, makeApiKey } from './api-key.ts';
import { SECRET_KEY_BYTES } from './secret-box.ts';

/** A key file that must not or cannot be used. `fix` is what the operator does about it. */
export class KeyFileError extends Error {
  readonly path: string;
  readonly fix: string;

  constructor(message: string, path: string, fix: string, cause?: unknown) {
    super(`${message}: ${fix}`, { cause });
    this.path = path;
    this.fix = fix;
  }
}

/**
 * The keys that seal secrets, newest first: one base64 line of 32 bytes each. A missing file is made
 * with one new key.
 *
 * Throws `KeyFileError`.
 */
export function loadOrCreateSecretKeys(
  path: string,
  randomness: Pick<Randomness, 'bytes'>,
): readonly Uint8Array[] {
  const text = loadOrCreate(path, () => secretKeyLines([randomness.bytes(SECRET_KEY_BYTES)]));
  return parseSecretKeys(path, text);
}

/**
 * Writes `keys` in place of `known`, whole or not at all, and on disk when it returns.
 *
 * Throws `KeyFileError`, also when the file no longer holds `known`: another hand has been there, and
 * losing a key loses the secrets.
 */
export function replaceSecretKeys(
  path: string,
  known: readonly Uint8Array[],
  keys: readonly Uint8Array[],
): void {
  const present = readPrivate(path);
  if (present === null || secretKeyLines(parseSecretKeys(path, present)) !== secretKeyLines(known)) {
    throw new KeyFileError(`${path} was changed since the start`, path, 'restart the gateway and try again');
  }
  try {
    withDraft(path, secretKeyLines(keys), (draft) => renameSync(draft, path));
  } catch (cause) {
    throw new KeyFileError(`cannot write ${path}`, path, 'make its directory writable for this user', cause);
  }
}

function secretKeyLines(keys: readonly Uint8Array[]): string {
  return keys.map((key) => Buffer.from(key).toString('base64')).join('\n');
}

function parseSecretKeys(path: string, text: string): readonly Uint8Array[] {
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'base64'));
  if (keys.length === 0 || keys.some((key) => key.length !== SECRET_KEY_BYTES)) {
    throw new KeyFileError(
      `${path} does not hold ${SECRET_KEY_BYTES} bytes in base64 on each line`,
      path,
      'restore it from a backup; only if no secret is stored yet, delete it to get a new one',
    );
  }
  return keys;
}

/** The first admin API key. A missing file is made with a new key. Throws `KeyFileError`. */
export function loadOrCreateApiKey(
  path: string,
  randomness: Pick<Randomness, 'bytes'>,
): { readonly key: string; readonly created: boolean } {
  let made: string | null = null;
  const key = loadOrCreate(path, () => {
    made = makeApiKey(randomness);
    return made;
  });
  if (!isApiKey(key)) throw new KeyFileError(`${path} holds no API key`, path, 'delete it to get a new one');
  return { key, created: key === made };
}

/** The API key in a file that may be missing (`null`), for the CLI. Throws `KeyFileError`. */
export function loadApiKey(path: string): string | null {
  return readPrivate(path);
}

function loadOrCreate(path: string, make: () => string): string {
  const present = readPrivate(path);
  if (present !== null) return present;
  const text = make();
  try {
    if (createPrivate(path, text)) return text;
  } catch (cause) {
    throw new KeyFileError(`cannot write ${path}`, path, 'make its directory writable for this user', cause);
  }
  // Another process made it in between: its key counts, or the two could not read each other's secrets.
  const theirs = readPrivate(path);
  if (theirs === null) throw new KeyFileError(`${path} vanished`, path, 'start again');
  return theirs;
}

function readPrivate(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return null;
    throw new KeyFileError(`cannot read ${path}`, path, 'make it readable for this user', cause);
  }
  try {
    // The open file is looked at, not the path: what is checked is what is read.
    const status = fstatSync(file);
    if (!status.isFile()) throw new KeyFileError(`${path} is not a file`, path, 'remove it');
    // Windows has no such bits; its user directories are private.
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
      throw new KeyFileError(
        `${path} can be read or written by other users (mode ${mode})`,
        path,
        `run: chmod 600 ${path}`,
      );
    }
    return readFileSync(file, 'utf8').trim();
  } finally {
    closeSync(file);
  }
}

/**
 * Writes the file whole or not at all; `false` when it is already there.
 *
 * A link, unlike a rename, does not replace what another process has made meanwhile.
 */
function createPrivate(path: string, text: string): boolean {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    withDraft(path, text, (draft) => linkSync(draft, path));
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  return true;
}

/** Writes a file beside `path` that only this user can read, lets it take its place, and makes both last. */
function withDraft(path: string, text: string, takePlace: (draft: string) => void): void {
  const draft = `${path}.${randomUUID()}.draft`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    try {
      // A file system or umask may have given another mode.
      if (process.platform !== 'win32') fchmodSync(file, 0o600);
      writeFileSync(file, `${text}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    takePlace(draft);
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(dirname(path));
}

/** Without this the name of the new file may be lost when the machine stops. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
