import { Client } from 'pg';
import { connectionConfig, type Run } from './database.ts';
import type { DatabaseAddress } from './database-url.ts';
import { Sockets } from './sockets.ts';
import { checkServer, explainStart } from './start-checks.ts';

/** A connection of its own beside a store's, to a server that was found fit. */
export interface StartConnection {
  readonly run: Run;
  /** What can be lived with, but is not as it should be. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/** Connects and looks whether the server can be used; rejects with the fix when not. */
export async function connectToStart(address: DatabaseAddress): Promise<StartConnection> {
  const sockets = new Sockets();
  const client = new Client({ ...connectionConfig(address, 'start'), stream: sockets.stream });
  // The error also rejects what is under way; unheard, it would end the process.
  client.on('error', () => {});
  const close = async (): Promise<void> => {
    await sockets.end(() => client.end()).catch(() => {});
  };
  const run: Run = async ({ text, values }) => (await client.query(text, values && [...values])).rows;
  try {
    await client.connect();
    return { run, warnings: await checkServer(run, address, Date.now()), close };
  } catch (error) {
    await close();
    throw explainStart(error, address);
  }
}

/** Does something on a connection of its own; rejects with the fix when it fails. */
export async function onStartConnection<Result>(
  address: DatabaseAddress,
  work: (connection: StartConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connectToStart(address);
  try {
    return await work(connection);
  } catch (error) {
    throw explainStart(error, address);
  } finally {
    await connection.close();
  }
}
