import { Pool } from 'undici';

/** What undici alone can POST to a receiver: 64 at once, 1 KiB each, for a given time. */
const [, , url = '', millis = '5000'] = process.argv;
const pool = new Pool(url, { connections: 64 });
const body = Buffer.alloc(1024, 'x');
const endAt = Date.now() + Number(millis);
let sent = 0;

async function worker(): Promise<void> {
  while (Date.now() < endAt) {
    const response = await pool.request({
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await response.body.dump();
    sent += 1;
  }
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: 64 }, () => worker()));
process.stdout.write(`${JSON.stringify({ perSecond: sent / ((performance.now() - startedAt) / 1000) })}\n`);
await pool.close();
