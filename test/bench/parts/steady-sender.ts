import { Pool } from 'undici';
import { signedPush } from './github-push.ts';

/**
 * Sends signed events at a steady rate, whatever the answers do (open loop), and prints for each event
 * its id with the time of sending and the time of the 202, in epoch ms.
 */
const [, , url = '', secret = '', perSecond = '1000', seconds = '10'] = process.argv;
const target = new URL(url);
const pool = new Pool(target.origin, { connections: 64, pipelining: 1 });
const { body, headers } = signedPush(secret);
const total = Number(perSecond) * Number(seconds);
const stepMs = 1000 / Number(perSecond);
const results: [id: string, sentAt: number, acceptedAt: number][] = [];
let failed = 0;
const now = (): number => performance.timeOrigin + performance.now();

async function one(number: number): Promise<void> {
  const sentAt = now();
  const response = await pool.request({
    method: 'POST',
    path: target.pathname,
    headers: { ...headers, 'x-github-delivery': `steady-${process.pid}-${number}` },
    body,
  });
  const acceptedAt = now();
  const answer = JSON.parse(await response.body.text()) as { id?: string };
  if (response.statusCode === 202 && answer.id !== undefined) results.push([answer.id, sentAt, acceptedAt]);
  else failed += 1;
}

const startedAt = performance.now();
const pending: Promise<void>[] = [];
let number = 0;
while (number < total) {
  const due = Math.min(total, Math.floor((performance.now() - startedAt) / stepMs) + 1);
  while (number < due) {
    pending.push(one(number));
    number += 1;
  }
  await new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}
await Promise.all(pending);
process.stdout.write(`${JSON.stringify({ results, failed })}\n`);
await pool.close();
