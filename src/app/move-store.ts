import { countAll, type MoveResult, type MoveStep, moveStore } from '../core/move.ts';
import type { CopiedKind, CopyReader, CopyWriter } from '../ports/store-copy.ts';
import { rowDigest } from '../security/row-digest.ts';
import { explainMissingDriver } from './open-store.ts';
import { readStoreUrl, type StoreAddress } from './store-url.ts';

export type { MoveResult, MoveStep } from '../core/move.ts';

/** What a move would do. */
export interface MovePlan {
  readonly from: string;
  readonly to: string;
  /** `unfinished`: a move of the same source was interrupted here and will be gone on with. */
  readonly target: 'absent' | 'empty' | 'unfinished';
  readonly rows: ReadonlyMap<CopiedKind, number>;
}

/** Looks at both ends of a move and changes nothing. Rejects with the fix when it cannot be made. */
export async function planMove(fromUrl: string, toUrl: string): Promise<MovePlan> {
  const [from, to] = ends(fromUrl, toUrl);
  const source = await openReader(from);
  try {
    return { from: from.said, to: to.said, target: await lookAt(to, from), rows: await countAll(source) };
  } finally {
    await source.close();
  }
}

/**
 * Moves everything from one store to another, or goes on with a move that was interrupted. Neither may be
 * used by a gateway meanwhile. Rejects with the fix when it cannot be made.
 */
export async function runMove(
  fromUrl: string,
  toUrl: string,
  onStep: (step: MoveStep) => void,
): Promise<MoveResult> {
  const [from, to] = ends(fromUrl, toUrl);
  const source = await openReader(from);
  try {
    const target = await openWriter(to, from);
    try {
      return await moveStore({ source, target, digest: rowDigest, onStep });
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function ends(fromUrl: string, toUrl: string): [StoreAddress, StoreAddress] {
  const from = readStoreUrl(fromUrl);
  const to = readStoreUrl(toUrl);
  if (from.said === to.said) throw new Error('source and target are the same store');
  return [from, to];
}

async function openReader(address: StoreAddress): Promise<CopyReader> {
  if (address.store === 'sqlite') {
    const { openSqliteCopyReader } = await import('../stores/sqlite/copy-reader.ts');
    return openSqliteCopyReader(address.path);
  }
  const postgres = await import('../stores/postgres/copy-reader.ts').catch(explainMissingDriver);
  return postgres.openPostgresCopyReader(address.url);
}

async function openWriter(address: StoreAddress, from: StoreAddress): Promise<CopyWriter> {
  if (address.store === 'sqlite') {
    const { openSqliteCopyWriter } = await import('../stores/sqlite/copy-writer.ts');
    return openSqliteCopyWriter(address.path, from.said);
  }
  const postgres = await import('../stores/postgres/copy-writer.ts').catch(explainMissingDriver);
  return postgres.openPostgresCopyWriter(address.url, from.said);
}

async function lookAt(address: StoreAddress, from: StoreAddress): Promise<MovePlan['target']> {
  const found = await inspect(address);
  if (found.state === 'occupied') throw new Error(found.why);
  if (found.state === 'unfinished' && found.from !== '' && found.from !== from.said) {
    throw new Error(`${address.said} has an unfinished move from ${found.from}; finish that one first`);
  }
  return found.state;
}

async function inspect(address: StoreAddress) {
  if (address.store === 'sqlite') {
    const { inspectSqliteCopyTarget } = await import('../stores/sqlite/copy-writer.ts');
    return inspectSqliteCopyTarget(address.path);
  }
  const postgres = await import('../stores/postgres/copy-writer.ts').catch(explainMissingDriver);
  return postgres.inspectPostgresCopyTarget(address.url);
}
