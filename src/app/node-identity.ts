import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileLock } from '../stores/sqlite/lock.ts';

/** Which nodes ran on a data directory, and that they no longer do. */
export interface NodeIdentity {
  /** Nodes of earlier processes on this directory. They have ended: this process holds their lock. */
  readonly endedNodes: readonly string[];
  /** Notes that this process is the node `id`, before it leases anything. */
  take(id: string): void;
  /** The ended ones have been struck off: only `id` need be known from here on. */
  settle(id: string): void;
  release(): void;
}

const NOBODY: NodeIdentity = {
  endedNodes: [],
  take: () => undefined,
  settle: () => undefined,
  release: () => undefined,
};

/**
 * What proves to other nodes' store that the process before this one is dead: the operating system gave
 * its lock on the data directory to us. Its leases then need not run out first.
 *
 * A directory that cannot be written, or that another gateway uses, proves nothing; that is no mistake.
 */
export function nodeIdentity(dataDir: string): NodeIdentity {
  const path = join(dataDir, 'node');
  const idFile = `${path}.id`;
  let lock: FileLock;
  try {
    lock = FileLock.acquire(path);
  } catch {
    return NOBODY;
  }
  const endedNodes = readIds(idFile);
  const write = (ids: readonly string[]): void => writeFileSync(idFile, `${ids.join('\n')}\n`);
  return {
    endedNodes,
    take: (id) => write([...endedNodes, id]),
    settle: (id) => write([id]),
    release: () => lock.release(),
  };
}

function readIds(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
