import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { concatenated } from '../../domain/byte-parts.ts';
import { Problem } from '../../domain/problem.ts';
import type { SettingKind, SettingKinds } from '../../domain/settings.ts';
import type { Appended, AppendRequest, EventLog } from '../../ports/event-log.ts';
import type { Queries, ReplayQueries } from '../../ports/queries.ts';
import type { ReplayStore, SettingsStore, SettingVersion, Store, Upkeep } from '../../ports/store.ts';
import type { ConnectionOptions } from './connection.ts';
import { FileLock } from './lock.ts';
import type { ReadOperations } from './read-operations.ts';
import { appendRows } from './rows.ts';
import { settlementRows } from './settle.ts';
import { StoreThread } from './store-thread.ts';
import type { WriteOperations } from './write-operations.ts';

type Writer = StoreThread<WriteOperations>;
type Reader = LazyReader;

export interface SqliteStoreOptions {
  /** The database file; its folder is made when absent. */
  readonly path: string;
  /** Upper bound of the file in bytes; 0 or absent = none. */
  readonly maxBytes?: number;
}

/**
 * Opens the embedded store: one file, one thread that writes and one that answers questions.
 *
 * Rejects when another process has it open, when it was made by a newer Ringback, or when the folder
 * cannot be written.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  const lock = FileLock.acquire(options.path);
  const connection = { path: options.path, maxBytes: options.maxBytes ?? 0 };
  try {
    const writer: Writer = await StoreThread.start<WriteOperations>('writer-thread', connection);
    return assemble(writer, new LazyReader(connection), lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The reader thread, started at the first question: a gateway that is asked nothing does not pay for it. */
class LazyReader {
  readonly #connection: ConnectionOptions;
  #thread: Promise<StoreThread<ReadOperations>> | null = null;
  #closed = false;

  constructor(connection: ConnectionOptions) {
    this.#connection = connection;
  }

  async call<Name extends keyof ReadOperations>(
    operation: Name,
    ...[argument]: Parameters<ReadOperations[Name]>
  ): Promise<ReturnType<ReadOperations[Name]>> {
    if (this.#closed) throw new Problem('store_unavailable', 'the store is closed');
    this.#thread ??= StoreThread.start<ReadOperations>('reader-thread', this.#connection);
    const thread = await this.#thread;
    return thread.call(operation, argument as never) as Promise<ReturnType<ReadOperations[Name]>>;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const thread = await this.#thread?.catch(() => null);
    await thread?.close();
  }
}

function assemble(writer: Writer, reader: Reader, lock: FileLock): Store {
  return {
    log: eventLog(writer),
    queries: queries(writer, reader),
    settings: settings(writer, reader),
    replays: replays(writer),
    upkeep: upkeep(writer, reader),
    check: () => writer.call('probe', null),
    close: async () => {
      await reader.close();
      await writer.close();
      lock.release();
    },
  };
}

function eventLog(writer: Writer): EventLog {
  return {
    append: async (request) =>
      appended(request, await writer.call('append', appendRows(request), request.event.body)),
    appendAll: async (requests) => {
      const bodies = requests.map(({ event }) => event.body);
      const ask = {
        all: requests.map((request) => appendRows(request)),
        sizes: bodies.map((body) => body.byteLength),
      };
      const given = await writer.call('appendAll', ask, concatenated(bodies));
      return requests.map((request, place) => appended(request, given[place]));
    },
    claimDue: (request) => writer.call('claimDue', request),
    settle: (settlement) => writer.call('settle', settlementRows(settlement)),
    pendingLanes: () => writer.call('pendingLanes', null),
    endPending: (request) => writer.call('endPending', request),
    releaseHeld: (request) => writer.call('releaseHeld', request),
    bringForward: (deliveryId, atMs) => writer.call('bringForward', { deliveryId, atMs }),
  };
}

/** A fresh event crosses threads as its position alone. */
function appended({ event }: AppendRequest, given: number | Appended | undefined): Appended {
  if (given === undefined) throw new Error('the writer answered fewer appends than it was given');
  if (typeof given !== 'number') return given;
  return { eventId: event.id, duplicate: false, conflict: false, seq: given };
}

function queries(writer: Writer, reader: Reader): Queries & ReplayQueries {
  return {
    events: (filter, page) => reader.call('events', { filter, page }),
    event: (id) => reader.call('event', id),
    eventsAfter: (seq, filter, limit, maxBodyBytes) =>
      reader.call('eventsAfter', { seq, filter, limit, maxBodyBytes }),
    lastSeq: () => reader.call('lastSeq'),
    deliveries: (filter, page) => reader.call('deliveries', { filter, page }),
    delivery: (id) => reader.call('delivery', id),
    attempts: (deliveryId) => reader.call('attempts', deliveryId),
    rejections: (filter, page) => reader.call('rejections', { filter, page }),
    rejection: (id) => reader.call('rejection', id),
    duplicates: (eventId) => reader.call('duplicates', eventId),
    dedupeHolder: (scope, key) => reader.call('dedupeHolder', { scope, key }),
    backlogs: () => reader.call('backlogs'),
    replays: (tenant, page) => reader.call('replays', { tenant, page }),
    replay: (id) => reader.call('replay', id),
    // Asked at each start, and quick: not worth starting the reader for.
    runningReplays: () => writer.call('runningReplays', null),
    countReplay: (filter, over, tenant) => reader.call('countReplay', { filter, over, tenant }),
    replayCandidates: (replay, limit) => reader.call('replayCandidates', { replay, limit }),
  };
}

function settings(writer: Writer, reader: Reader): SettingsStore {
  return {
    load: () => writer.call('loadSettings', null),
    put: (kind, setting, by) => writer.call('putSetting', { kind, setting, by }),
    replace: (kind, setting, by, expected) => writer.call('replaceSetting', { kind, setting, by, expected }),
    remove: (kind, id, by) => writer.call('removeSetting', { kind, id, by }),
    asOf: <Kind extends SettingKind>(kind: Kind, version: number) =>
      reader.call('settingsAsOf', { kind, version }) as Promise<SettingKinds[Kind][]>,
    history: <Kind extends SettingKind>(kind: Kind, id: string, limit: number) =>
      reader.call('settingHistory', { kind, id, limit }) as Promise<SettingVersion<Kind>[]>,
    recordKeyUses: (uses) => writer.call('recordKeyUses', uses),
    keyUses: () => writer.call('keyUses', null),
    changes: (filter, page) => reader.call('settingChanges', { filter, page }),
  };
}

function replays(writer: Writer): ReplayStore {
  return {
    create: (replay) => writer.call('createReplay', replay),
    advance: (step) => writer.call('advanceReplay', step),
    cancel: (replayId, atMs) => writer.call('cancelReplay', { replayId, atMs }),
  };
}

function upkeep(writer: Writer, reader: Reader): Upkeep {
  return {
    recordRejections: (rejections, bounds) => writer.call('recordRejections', { rejections, bounds }),
    recordDuplicates: (repeated) => writer.call('recordDuplicates', repeated),
    pruneEvents: (receivedBefore, limit) => writer.call('pruneEvents', { receivedBefore, limit }),
    pruneDedupe: (nowMs, limit) => writer.call('pruneDedupe', { nowMs, limit }),
    noteFailing: (destinationId, failingSince) => writer.call('noteFailing', { destinationId, failingSince }),
    failingDestinations: () => writer.call('failingDestinations', null),
    noteSourceEvents: (notes) => writer.call('noteSourceEvents', notes),
    noteSilent: (sourceId, silentSince) => writer.call('noteSilent', { sourceId, silentSince }),
    sourceActivity: () => writer.call('sourceActivity', null),
    sizeBytes: () => reader.call('sizeBytes'),
  };
}
