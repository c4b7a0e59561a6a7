import type { Appended, EventLog, Settlement } from '../../ports/event-log.ts';
import type { Store, Upkeep } from '../../ports/store.ts';
import { type AppendOp, AppendEvents, bytesOfAppend, namesOfAppend } from './append-events.ts';
import { claimDue } from './claim-due.ts';
import { Database } from './database.ts';
import { type DatabaseAddress, readDatabaseUrl } from './database-url.ts';
import { refuseOtherKeys, rememberKey } from './key-check.ts';
import { dueByThisClock } from './due-by-this-clock.ts';
import { recordDuplicates } from './duplicates.ts';
import { GroupCommit } from './group-commit.ts';
import { migrate } from './migrate.ts';
import { nodeRegistry } from './nodes.ts';
import { Partitions } from './partitions.ts';
import { notePresence, refuseHalfMoved } from './presence.ts';
import { bringForward, endPending, pendingLanes, releaseHeld } from './pending-deliveries.ts';
import { queries } from './queries.ts';
import { recordRejections } from './rejections.ts';
import { replayQueries } from './replay-queries.ts';
import { replays } from './replays.ts';
import { failingDestinations, noteFailing, pruneDedupe, pruneEvents, sizeBytes } from './retention.ts';
import { checkSchema } from './schema-drift.ts';
import { settings } from './settings.ts';
import { bytesOfSettlement, settleAll } from './settle-deliveries.ts';
import { SizeLimit } from './size-limit.ts';
import { StoreWatch } from './store-watch.ts';
import { checkOwner } from './start-checks.ts';
import { onStartConnection } from './start-connection.ts';
import { sourceNotes } from './source-activity.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`; see `readDatabaseUrl`. */
  readonly url: string;
  /** Bytes on disk beyond which appends are refused; 0 or absent = no limit. */
  readonly maxBytes?: number;
  /**
   * Ids of the keys that this process has for secrets, the one that seals first. When secrets here were last
   * sealed with a key that is none of them it is refused: it could not read them, and others not what it
   * seals. Absent = it reads and seals none.
   */
  readonly keyIds?: readonly string[];
  /** Hears what is not as it should be, but can be lived with. */
  readonly warn?: (message: string) => void;
}

/** Operations and bytes that share one commit: bounded so that a commit stays short after a pile-up. */
const GROUP_OPS = 512;
const GROUP_BYTES = 8 * 1024 * 1024;

/**
 * Opens the store in a PostgreSQL database, which any number of nodes may share.
 *
 * Rejects with a message that says the fix when the server cannot be reached or used, when it could lose
 * what it acknowledged, or when the schema was made by a newer Ringback. Afterwards it reconnects by itself.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const address = readDatabaseUrl(options.url);
  const warnings = await prepare(address, options.keyIds);
  for (const warning of warnings) options.warn?.(warning);
  const database = new Database(address, { notePresence });
  const limit = new SizeLimit(options.maxBytes ?? 0, () => sizeBytes(database));
  return assemble(database, address, limit);
}

/** Checks the server and brings the schema up to date, on a connection of its own. Nothing is written before the checks. */
function prepare(
  address: DatabaseAddress,
  keyIds: readonly string[] | undefined,
): Promise<readonly string[]> {
  return onStartConnection(address, async ({ run, warnings }) => {
    await checkOwner(run, address);
    await refuseHalfMoved(run, address.schema);
    if (keyIds !== undefined) await refuseOtherKeys(run, address.schema, keyIds);
    await migrate(run, address.schema);
    await checkSchema(run, address.schema);
    if (keyIds !== undefined) await rememberKey(run, keyIds);
    await dueByThisClock(run, Date.now());
    return warnings;
  });
}

function assemble(database: Database, address: DatabaseAddress, limit: SizeLimit): Store {
  const watch = new StoreWatch(database, address);
  const partitions = new Partitions(database);
  const appendEvents = new AppendEvents(database, partitions);
  const append = async (ops: readonly AppendOp[]): Promise<Appended[][]> => {
    limit.check();
    const answers = await appendEvents.run(ops);
    watch.appended();
    return answers;
  };
  const appends = new GroupCommit<AppendOp, Appended[]>(append, {
    maxOps: GROUP_OPS,
    maxBytes: GROUP_BYTES,
    bytesOf: bytesOfAppend,
    namesOf: namesOfAppend,
  });
  const settlements = new GroupCommit<Settlement, 'settled' | 'lease_lost'>(
    (group) => settleAll(database, group),
    {
      maxOps: GROUP_OPS,
      maxBytes: GROUP_BYTES,
      bytesOf: bytesOfSettlement,
      namesOf: ({ deliveryId }) => [deliveryId],
    },
  );
  return {
    log: eventLog(database, appends, settlements),
    queries: { ...queries(database), ...replayQueries(database) },
    settings: settings(database, (run) => watch.settingsChanged(run)),
    replays: replays(database),
    upkeep: upkeep(database, partitions),
    nodes: nodeRegistry(database),
    watch: (listener) => watch.watch(listener),
    check: async () => {
      await database.run('work', { text: 'UPDATE store_state SET probes = probes + 1' });
    },
    close: () => database.close(() => Promise.all([appends.close(), settlements.close(), watch.close()])),
  };
}

function eventLog(
  database: Database,
  appends: GroupCommit<AppendOp, Appended[]>,
  settlements: GroupCommit<Settlement, 'settled' | 'lease_lost'>,
): EventLog {
  return {
    append: async (request) => {
      const [answer] = await appends.add([request]);
      if (answer === undefined) throw new Error('an append was left without an answer');
      return answer;
    },
    appendAll: (requests) => appends.add(requests),
    claimDue: (request) => claimDue(database, request),
    settle: (settlement) => settlements.add(settlement),
    pendingLanes: () => pendingLanes(database),
    endPending: (request) => endPending(database, request),
    releaseHeld: (request) => releaseHeld(database, request),
    bringForward: (deliveryId, atMs) => bringForward(database, deliveryId, atMs),
  };
}

function upkeep(database: Database, partitions: Partitions): Upkeep {
  return {
    recordRejections: (rejections, bounds) => recordRejections(database, rejections, bounds),
    recordDuplicates: (repeated) => recordDuplicates(database, repeated),
    pruneEvents: (receivedBefore, limit) => pruneEvents(database, partitions, receivedBefore, limit),
    pruneDedupe: (nowMs, limit) => pruneDedupe(database, nowMs, limit),
    noteFailing: (destinationId, failingSince) => noteFailing(database, destinationId, failingSince),
    failingDestinations: () => failingDestinations(database),
    ...sourceNotes(database),
    sizeBytes: () => sizeBytes(database),
  };
}
