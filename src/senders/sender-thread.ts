import { parentPort, workerData } from 'node:worker_threads';
import type { OutboundRequest } from '../ports/sender.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import {
  fromBatch,
  type RequestBatch,
  type ResultRow,
  type SenderThreadOptions,
  toRow,
} from './sender-messages.ts';

/** The thread that sends: what it is given, as it is given. */
const { guard, ...connections }: SenderThreadOptions = workerData;
const sender = new HttpSender({ addressGuard: new AddressGuard(guard), ...connections });

let results: ResultRow[] = [];
let underWay = 0;
let closing = false;

/** What comes in one turn of the event loop goes back in one message. */
function tell(): void {
  parentPort?.postMessage(results);
  results = [];
  endWhenDone();
}

function endWhenDone(): void {
  if (closing && underWay === 0 && results.length === 0) parentPort?.close();
}

async function send(number: number, request: OutboundRequest): Promise<void> {
  underWay += 1;
  try {
    const result = await sender.send(request);
    if (results.length === 0) setImmediate(tell);
    results.push(toRow(number, result));
  } catch (error) {
    parentPort?.postMessage({ failed: number, error });
  } finally {
    underWay -= 1;
    endWhenDone();
  }
}

parentPort?.on('message', (message: RequestBatch | 'close') => {
  if (message === 'close') {
    closing = true;
    void sender.close();
    endWhenDone();
    return;
  }
  for (const [number, request] of fromBatch(message)) void send(number, request);
});
parentPort?.postMessage('ready');
