import { parentPort, workerData } from 'node:worker_threads';
import { type ConnectionOptions, openReader } from './connection.ts';
import { readOperations } from './read-operations.ts';
import { type Answers, type Call, callsOf, type Request, toWire, type WireError } from './thread-messages.ts';

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
  parentPort?.postMessage(answersTo(callsOf(request)));
});
parentPort?.postMessage('ready');

function answersTo(calls: readonly Call[]): Answers {
  const errors: [number, WireError][] = [];
  const values = calls.map(({ operation: name, argument }, place) => {
    try {
      const operation = operations.get(name);
      if (operation === undefined) throw new Error(`the reader knows no operation ${name}`);
      return operation(argument);
    } catch (error) {
      errors.push([place, toWire(error)]);
      return null;
    }
  });
  return { values, errors, commitMs: 0 };
}
