import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Checkpoints } from './checkpoints.ts';
import { type ConnectionOptions, openWriter } from './connection.ts';
import { dueByThisClock } from './due-by-this-clock.ts';
import { migrate } from './migrate.ts';
import { type Answers, type Call, callsOf, type Request, toWire } from './thread-messages.ts';
import { writeOperations } from './write-operations.ts';

/** The thread that owns the one writing connection: a commit's wait for the disk blocks nobody else. */
const options = workerData as ConnectionOptions;
const db = openWriter(options);
migrate(db);
// Whoever opens the file holds its lock, so every lease in it belongs to a process that is gone:
// waiting for them to run out would only delay what they owe.
db.exec(`UPDATE deliveries SET lease_until = 0 WHERE state = 'leased'`);
dueByThisClock(db, Date.now());
const checkpoints = new Checkpoints(db, options);
const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');
const operations = new Map(
  Object.entries(
    writeOperations(db) as unknown as Record<string, (argument: unknown, bytes: Uint8Array) => unknown>,
  ),
);

/** Calls in one transaction at the most: bounded so that a commit stays short, also after a pile-up. */
const GROUP_LIMIT = 512;

parentPort?.on('message', (first: Request | 'close') => {
  let message: Request | 'close' | undefined = first;
  while (message !== undefined) {
    const calls: Call[] = [];
    while (message !== undefined && message !== 'close' && calls.length < GROUP_LIMIT) {
      calls.push(...callsOf(message));
      message = nextMessage();
    }
    if (calls.length > 0) {
      parentPort?.postMessage(runGroup(calls));
      checkpoints.committed();
    }
    if (message === 'close') {
      void close();
      return;
    }
  }
});
parentPort?.postMessage('ready');

/** What has arrived while the last group was being committed. */
function nextMessage(): Request | 'close' | undefined {
  const received = parentPort === null ? undefined : receiveMessageOnPort(parentPort);
  return received?.message as Request | 'close' | undefined;
}

async function close(): Promise<void> {
  await checkpoints.close();
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  parentPort?.close();
}

/** All calls in one transaction; when that fails each in its own, so that one cannot fail the others. */
function runGroup(calls: readonly Call[]): Answers {
  try {
    return { ...inTransaction(calls), errors: [] };
  } catch (error) {
    if (calls.length > 1) return oneByOne(calls);
    return { values: [null], errors: [[0, toWire(error)]], commitMs: 0 };
  }
}

function oneByOne(calls: readonly Call[]): Answers {
  const alone = calls.map((call) => runGroup([call]));
  return {
    values: alone.flatMap(({ values }) => values),
    errors: alone.flatMap(({ errors }, place) => errors.map(([, error]) => [place, error] as const)),
    commitMs: Math.max(...alone.map(({ commitMs }) => commitMs)),
  };
}

function inTransaction(calls: readonly Call[]): Pick<Answers, 'values' | 'commitMs'> {
  begin.run();
  try {
    const values = calls.map((call) => run(call));
    const ranAt = performance.now();
    commit.run();
    return { values, commitMs: performance.now() - ranAt };
  } catch (error) {
    // SQLite has rolled back by itself after some errors (a full disk), and then refuses to again.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function run(call: Call): unknown {
  const operation = operations.get(call.operation);
  if (operation === undefined) throw new Error(`the writer knows no operation ${call.operation}`);
  return operation(call.argument, call.bytes);
}
