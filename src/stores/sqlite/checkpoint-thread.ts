import { parentPort, workerData } from 'node:worker_threads';
import { PASS } from './checkpoints.ts';
import { openCheckpointer } from './connection.ts';

const { path, pass } = workerData as { path: string; pass: Int32Array };

/** Merges what the write-ahead log holds when it is told to, beside the writer: see `Checkpoints`. */
const db = openCheckpointer(path);
const merge = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort?.on('message', (message: 'merge' | 'close') => {
  if (message === 'close') {
    db.close();
    parentPort?.close();
    return;
  }
  try {
    merge.get();
  } catch {
    // The writer's own pass, which follows, comes upon the same; what was committed stays in the log.
  } finally {
    Atomics.store(pass, 0, PASS.ended);
  }
});
