import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Keeps a second process off the data file.
 *
 * The lock is an open transaction on a small database beside it, so the operating system takes it back
 * when the process dies, however it dies: there is no stale lock file to remove by hand.
 */
export class FileLock {
  readonly #db: DatabaseSync;
  readonly #holderPath: string;

  private constructor(db: DatabaseSync, holderPath: string) {
    this.#db = db;
    this.#holderPath = holderPath;
  }

  /** Throws, naming the holder, when another process has the lock. */
  static acquire(dataPath: string): FileLock {
    const db = new DatabaseSync(`${dataPath}.lock`, { timeout: 0 });
    const holderPath = `${dataPath}.pid`;
    try {
      db.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      db.close();
      throw new Error(
        `another gateway${describeHolder(holderPath)} is using ${dataPath}. ` +
          'Stop it first, or give this one its own data directory (RINGBACK_DATA_DIR)',
        { cause: error },
      );
    }
    writeFileSync(holderPath, `${process.pid}\n`);
    return new FileLock(db, holderPath);
  }

  release(): void {
    rmSync(this.#holderPath, { force: true });
    this.#db.close();
  }
}

function describeHolder(path: string): string {
  try {
    return ` (process ${readFileSync(path, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
