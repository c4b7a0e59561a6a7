import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import type { ConnectionOptions } from './connection.ts';
import { number } from './rows.ts';
import { startThread } from './start-thread.ts';

/** The thread beside is free, at work, or back and not yet followed up. Shared with it: see its file. */
export const PASS = { none: 0, running: 1, ended: 2 } as const;

/** Pages in the write-ahead log beyond which they are merged into the database: 64 MB of 4 KiB. */
const MERGE_FROM_PAGES = 16_000;
/** Commits between two looks at the log's length, which take as long as a small write. */
const COMMITS_PER_LOOK = 16;
/** SQLite tells how long the log is, without merging it, since this version (sqlite.org/pragma.html). */
const TELLS_LENGTH = [3, 51] as const;

/**
 * Merges the write-ahead log into the database while commits go on.
 *
 * Left to SQLite, the commit that makes the log too long merges all of it, and every acknowledgement waits
 * meanwhile. Here a thread beside the writer merges the most of it. When it is back the writer merges what
 * came in between, which is little, and the log starts anew from its beginning: only the writer can see to
 * that, since the thread beside never catches up with it.
 *
 * An older SQLite does it as it always did.
 */
export class Checkpoints {
  readonly #path: string;
  readonly #fromPages: number;
  readonly #length: StatementSync | null;
  readonly #merge: StatementSync;
  readonly #pass = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  /** Started when the log is long for the first time: a quiet gateway does without it. */
  #thread: Worker | null = null;
  #unseenCommits = 0;

  /** Merges from `fromPages` pages of log; default 64 MB. */
  constructor(db: DatabaseSync, { path }: Pick<ConnectionOptions, 'path'>, fromPages = MERGE_FROM_PAGES) {
    this.#path = path;
    this.#fromPages = fromPages;
    this.#merge = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.#length = tellsLength(db) ? db.prepare('PRAGMA wal_checkpoint(NOOP)') : null;
    if (this.#length !== null) db.exec('PRAGMA wal_autocheckpoint = 0');
  }

  /** To be called after each commit. */
  committed(): void {
    const pass = Atomics.load(this.#pass, 0);
    if (this.#length === null || pass === PASS.running) return;
    if (pass === PASS.ended) {
      Atomics.store(this.#pass, 0, PASS.none);
      this.#mergeRest();
      return;
    }
    this.#unseenCommits += 1;
    if (this.#unseenCommits < COMMITS_PER_LOOK) return;
    this.#unseenCommits = 0;
    const length = this.#length.get() ?? {};
    if (number(length, 'log') - number(length, 'checkpointed') >= this.#fromPages) this.#mergeBeside();
  }

  /** Ends the thread beside, after the pass that it is making. */
  async close(): Promise<void> {
    const thread = this.#thread;
    if (thread === null) return;
    await new Promise<void>((resolve) => {
      thread.once('exit', () => resolve());
      thread.postMessage('close');
    });
  }

  #mergeBeside(): void {
    Atomics.store(this.#pass, 0, PASS.running);
    this.#thread ??= this.#start();
    this.#thread.postMessage('merge');
  }

  #mergeRest(): void {
    try {
      this.#merge.get();
    } catch {
      // A full disk, for one: what was committed is safe in the log, and the next pass tries again.
    }
  }

  #start(): Worker {
    const thread = startThread('checkpoint-thread', { path: this.#path, pass: this.#pass });
    // Without it the writer merges alone; the next long log starts another.
    thread.on('error', () => undefined);
    thread.on('exit', () => {
      this.#thread = null;
      Atomics.store(this.#pass, 0, PASS.ended);
    });
    return thread;
  }
}

function tellsLength(db: DatabaseSync): boolean {
  const version = String(db.prepare('SELECT sqlite_version() AS version').get()?.['version']);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [fromMajor, fromMinor] = TELLS_LENGTH;
  return major > fromMajor || (major === fromMajor && minor >= fromMinor);
}
