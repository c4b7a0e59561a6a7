import { writeSync } from 'node:fs';
import { Checkpoints } from '../../src/stores/sqlite/checkpoints.ts';
import { openWriter } from '../../src/stores/sqlite/connection.ts';

/**
 * Commits one row after the other, with a log that is merged every few commits, and says the number of each
 * on standard output once it is committed: until it is killed.
 */
const [, , path = '', fromPages = '50'] = process.argv;
const db = openWriter({ path, maxBytes: 0 });
const checkpoints = new Checkpoints(db, { path }, Number(fromPages));
db.exec('CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY, bytes BLOB)');
const insert = db.prepare('INSERT INTO kept (bytes) VALUES (zeroblob(3000))');

function commitSome(): void {
  for (let times = 0; times < 20; times += 1) {
    db.exec('BEGIN IMMEDIATE');
    const { lastInsertRowid } = insert.run();
    db.exec('COMMIT');
    checkpoints.committed();
    writeSync(1, `${lastInsertRowid}\n`);
  }
  setImmediate(commitSome);
}
commitSome();
