import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { logPlace } from '../../api/fields.ts';
import { LOOPBACK } from '../connection.ts';
import { recordOf, numberOf, parseJson, textOf } from '../json-value.ts';
import { loadSettings, settingText } from '../load-settings.ts';
import { failure } from '../output.ts';

/** Whose place it is: another gateway, name or choice of events has a place of its own. */
export interface ListenIdentity {
  readonly gateway: string;
  readonly name: string;
  readonly sources: readonly string[];
  readonly type: string | null;
  readonly filter: string | null;
}

/** Where places are kept: beside a gateway's data on this machine, else under the person's settings. */
export function placesFolder(gateway: string, dataDirFlag: string | undefined): string {
  const loaded = loadSettings('dev', dataDirFlag === undefined ? {} : { dataDir: dataDirFlag });
  const dataDir = settingText(loaded, 'dataDir');
  const isLocal = LOOPBACK.has(new URL(gateway).hostname);
  if (isLocal && dataDir !== null && existsSync(dataDir)) {
    const folder = join(dataDir, 'listen');
    if (makeFolder(folder)) return folder;
  }
  const config = process.env['XDG_CONFIG_HOME'] ?? '';
  const folder = join(config === '' ? join(homedir(), '.config') : config, 'ringback', 'listen');
  if (makeFolder(folder)) return folder;
  throw failure(`${folder} cannot be made, so there is nowhere to keep the place in the log`, [
    'set XDG_CONFIG_HOME to a folder that you may write to',
  ]);
}

function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

/**
 * The last event that was handled, on disk after each one, so that a listener that was away goes on
 * there. Only one process at a time holds a place.
 *
 * Written beside and then renamed: a process that dies leaves the old place or the new one. Not synced:
 * after a power cut some events may come again, as they may whenever a listener dies between an event's
 * answer and its place.
 */
export class ListenCursor {
  readonly path: string;
  readonly #lock: string;
  readonly #identity: ListenIdentity;
  #place: string;

  private constructor(path: string, identity: ListenIdentity, place: string) {
    this.path = path;
    this.#lock = `${path}.lock`;
    this.#identity = identity;
    this.#place = place;
  }

  /** Throws a `CliFailure` when another process holds the place, or when the file cannot be read. */
  static open(folder: string, identity: ListenIdentity, fresh: boolean): ListenCursor {
    const digest = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
    const name = identity.name.replaceAll(/[^\w.-]/g, '_').slice(0, 40);
    const path = join(folder, `${name}-${digest}.json`);
    takeLock(`${path}.lock`, identity.name);
    try {
      return new ListenCursor(path, identity, fresh ? '' : readPlace(path));
    } catch (error) {
      rmSync(`${path}.lock`, { force: true });
      throw error;
    }
  }

  /** Empty = none yet. */
  get place(): string {
    return this.#place;
  }

  /** Moves on; a place before the one that is kept changes nothing, as when old events are replayed. */
  save(place: string): void {
    if (place === '' || (this.#place !== '' && positionOf(place) <= positionOf(this.#place))) return;
    this.#place = place;
    const text = JSON.stringify({ version: 1, ...this.#identity, place, saved_at: new Date().toISOString() });
    writeFileSync(`${this.path}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${this.path}.new`, this.path);
  }

  release(): void {
    rmSync(this.#lock, { force: true });
  }
}

function positionOf(place: string): number {
  return logPlace(place) ?? 0;
}

function readPlace(path: string): string {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw unreadable(path, String(error));
  }
  const parsed = parseJson(text);
  const place = 'value' in parsed ? textOf(parsed.value, 'place') : null;
  if (place === null) throw unreadable(path, 'it is not what was written there');
  try {
    positionOf(place);
  } catch {
    throw unreadable(path, 'its place is not one that a gateway gave out');
  }
  return place;
}

function unreadable(path: string, why: string): Error {
  return failure(`the place in the log, kept in ${path}, cannot be read: ${why}`, [
    'with --fresh it is forgotten: what came meanwhile is then not forwarded',
  ]);
}

function takeLock(path: string, name: string): void {
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      writeFileSync(path, JSON.stringify({ pid: process.pid }), { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
        throw failure(`the place in the log cannot be kept: ${String(error)}`);
      }
    }
    const holder = holderOf(path);
    if (holder !== null && isAlive(holder)) {
      throw failure(`a listener of this name ("${name}") runs already (process ${holder})`, [
        'give this one a name of its own: --name NAME; each name gets every event',
      ]);
    }
    rmSync(path, { force: true });
  }
  throw failure(`the lock ${path} cannot be taken`, ['remove it when no listener runs']);
}

function holderOf(path: string): number | null {
  try {
    const parsed = parseJson(readFileSync(path, 'utf8'));
    return 'value' in parsed ? numberOf(recordOf(parsed.value), 'pid') : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
