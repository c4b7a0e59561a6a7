import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { StoreNews } from '../../ports/store.ts';
import { Backoff } from './backoff.ts';
import { connectionConfig, type Database, type Run } from './database.ts';
import type { DatabaseAddress } from './database-url.ts';
import { numberOrNull } from './rows.ts';
import { SETTINGS_VERSION } from './settings.ts';

type Listener = (news: StoreNews) => void;

/** Notes of one node about appends are this far apart: a note for each would slow every commit down. */
const NOTE_EVERY_MS = 100;
/** How often to look in case no note came: the connection for notes may be gone without a sign. */
const LOOK_EVERY_MS = 700;

/**
 * Tells nodes of each other's changes: by LISTEN and NOTIFY, and by looking twice in a second and a half.
 *
 * Notes about appends are sent after the commit and may be lost with their node. A note about settings is
 * part of the change's transaction, and looking finds what a lost connection has missed.
 */
export class StoreWatch {
  readonly #database: Database;
  readonly #address: DatabaseAddress;
  readonly #channel: string;
  readonly #node = randomBytes(6).toString('hex');
  readonly #listeners = new Set<Listener>();
  readonly #backoff = new Backoff();
  #client: Client | null = null;
  #connecting = false;
  #looking: NodeJS.Timeout | null = null;
  #noting: NodeJS.Timeout | null = null;
  #seen: string | null = null;
  #closed = false;

  constructor(database: Database, address: DatabaseAddress) {
    this.#database = database;
    this.#address = address;
    this.#channel = `ringback_${address.schema}`;
  }

  watch(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#looking ??= setInterval(() => void this.#look(), LOOK_EVERY_MS).unref();
    void this.#look();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) void this.#rest();
    };
  }

  /** This node has appended. */
  appended(): void {
    if (this.#closed) return;
    this.#noting ??= setTimeout(() => {
      this.#noting = null;
      // Lost notes are found by looking, so a failure here is no one's.
      void this.#database.on('work', (run) => this.#note(run, 'appended')).catch(() => {});
    }, NOTE_EVERY_MS).unref();
  }

  /** This node changes settings, in the transaction of `run`. */
  settingsChanged(run: Run): Promise<void> {
    return this.#note(run, 'settings_changed');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    if (this.#noting !== null) clearTimeout(this.#noting);
    await this.#rest();
  }

  async #rest(): Promise<void> {
    if (this.#looking !== null) clearInterval(this.#looking);
    this.#looking = null;
    this.#seen = null;
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  async #note(run: Run, news: StoreNews): Promise<void> {
    await run({ text: 'SELECT pg_notify($1, $2)', values: [this.#channel, `${this.#node} ${news}`] });
  }

  #tell(news: StoreNews): void {
    for (const listener of this.#listeners) listener(news);
  }

  async #look(): Promise<void> {
    void this.#connect();
    try {
      const [row] = await this.#database.run('work', {
        name: 'look',
        text: `SELECT version, pg_sequence_last_value('log_place') AS place FROM (${SETTINGS_VERSION}) AS latest`,
      });
      if (row === undefined) return;
      const [version, place] = [numberOrNull(row, 'version'), numberOrNull(row, 'place')];
      const [seenVersion, seenPlace] = this.#seen?.split(' ') ?? [];
      this.#seen = `${version} ${place}`;
      if (seenVersion === undefined) return;
      if (seenVersion !== String(version)) this.#tell('settings_changed');
      if (seenPlace !== String(place)) this.#tell('appended');
    } catch {
      // Told to whoever needs the database; looking goes on.
    }
  }

  async #connect(): Promise<void> {
    if (this.#client !== null || this.#connecting || this.#closed || this.#backoff.waitMs() > 0) return;
    this.#connecting = true;
    const { stream } = this.#database.sockets;
    const client = new Client({ ...connectionConfig(this.#address, 'listen'), stream });
    const lost = (): void => {
      if (this.#client === client) this.#client = null;
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ payload }) => this.#noted(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN ${this.#channel}`);
      this.#backoff.succeeded();
      if (this.#listeners.size === 0) await client.end();
      else this.#client = client;
    } catch {
      this.#backoff.failed();
      await client.end().catch(() => {});
    } finally {
      this.#connecting = false;
    }
  }

  #noted(payload: string): void {
    const [node, news] = payload.split(' ');
    if (node === this.#node) return;
    if (news === 'appended' || news === 'settings_changed') this.#tell(news);
  }
}
