import type { Store } from '../../ports/store.ts';
import { MemoryEventLog } from './memory-event-log.ts';
import { MemoryReplayQueries } from './memory-replay-queries.ts';
import { MemoryReplays } from './memory-replays.ts';
import { MemorySettings } from './memory-settings.ts';
import { MemoryTables } from './memory-tables.ts';
import { MemoryUpkeep } from './memory-upkeep.ts';

/**
 * A store that keeps everything in this process and nothing after it: the model that the other stores
 * are compared with, and the store of unit tests. Every answer sees every write before it.
 */
export function createMemoryStore(): Store {
  const tables = new MemoryTables();
  let isOpen = true;
  const open = (): MemoryTables => {
    if (!isOpen) throw new Error('the store is closed');
    return tables;
  };
  return {
    log: new MemoryEventLog(open),
    queries: new MemoryReplayQueries(open),
    settings: new MemorySettings(open),
    replays: new MemoryReplays(open),
    upkeep: new MemoryUpkeep(open),
    async check() {
      open();
    },
    async close() {
      isOpen = false;
    },
  };
}
