/**
 * A receiver that remembers in a SQLite file. While the file HANG exists its handler never ends, so
 * that it can be killed in the middle.
 *
 *   SECRET=... HANDLED_DB=... HANG=... node test/e2e/receivers/slow-receiver.ts PORT
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { receive } from '@ringback/client';
import { nodeHandler } from '@ringback/client/node';
import { sqliteStore } from '@ringback/client/sqlite';

const database = new DatabaseSync(process.env['HANDLED_DB'] ?? '');
database.exec('PRAGMA busy_timeout = 5000');

const receiver = receive({
  secret: process.env['SECRET'],
  idempotency: { store: sqliteStore(database), leaseMs: 600 },
  async onEvent(event) {
    console.log(`began ${event.id}`);
    if (existsSync(process.env['HANG'] ?? '')) await new Promise(() => undefined);
    console.log(`handled ${event.id}`);
  },
});

const server = createServer(nodeHandler(receiver));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}/hook`);
});
