import { Worker } from 'node:worker_threads';

/** Starts a thread of this store by the name of its file: from the sources as from what is built of them. */
export function startThread(
  entry: 'writer-thread' | 'reader-thread' | 'checkpoint-thread',
  workerData: unknown,
): Worker {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return new Worker(new URL(`./${entry}${ending}`, import.meta.url), { workerData });
}
