import { parentPort, workerData } from 'node:worker_threads';
import { type ConnectionOptions, openReader } from './connection.ts';
import { readOperations } from './read-operations.ts';
import { type Answer, type Call, type Request, toWire } from './thread-messages.ts';

/** The thread that answers questions: a heavy one delays other questions, never an acknowledgement. */
const db = openReader(workerData as ConnectionOptions);
const operations = new Map(
  Object.entries(readOperations(db) as unknown as Record<string, (argument: unknown) => unknown>),
);

parentPort?.on('message', (request: Request | 'close') => {
  if (request === 'close') {
    db.close();
    parentPort?.close();
    return;
  }
  parentPort?.postMessage(request.calls.map((call) => answer(call)));
});
parentPort?.postMessage('ready');

function answer(call: Call): Answer {
  try {
    const operation = operations.get(call.operation);
    if (operation === undefined) throw new Error(`the reader knows no operation ${call.operation}`);
    return { ok: true, value: operation(call.argument) };
  } catch (error) {
    return { ok: false, error: toWire(error) };
  }
}
