import {
  COPIED_KINDS,
  type CopiedKind,
  type CopiedRow,
  type CopyPlace,
  type CopyReader,
  type CopyWriter,
} from '../ports/store-copy.ts';

/** What a move is at, for people who watch it. */
export interface MoveStep {
  readonly doing: 'copying' | 'comparing';
  readonly kind: CopiedKind;
  readonly rows: number;
  readonly of: number;
}

/** A number for a row that two different rows do not share; sums of them are compared. */
export type RowDigest = (kind: CopiedKind, row: CopiedRow) => bigint;

export interface Move {
  readonly source: CopyReader;
  readonly target: CopyWriter;
  readonly digest: RowDigest;
  readonly onStep?: (step: MoveStep) => void;
}

/** What a move has brought over, and how much of it an earlier run had left. */
export interface MoveResult {
  readonly rows: ReadonlyMap<CopiedKind, number>;
  readonly resumedFrom: number;
}

/**
 * Copies one store into another, compares the two by number and content, and only then makes the target an
 * ordinary store. It can be stopped at any point, by a crash as well: the next run goes on where this one
 * was. The source is not changed.
 *
 * Throws when the two differ in the end: then the source was changed between runs, or a disk errs.
 */
export async function moveStore(move: Move): Promise<MoveResult> {
  const known = await move.target.progress();
  const resumedFrom = [...known.values()].reduce((rows, progress) => rows + progress.rows, 0);
  const totals = await countAll(move.source);
  for (const kind of COPIED_KINDS) {
    const progress = known.get(kind);
    // Without a place to go on from, a kind is either not begun or done.
    if (progress !== undefined && progress.next === null) continue;
    await copyKind(move, kind, totals.get(kind) ?? 0, progress ?? { rows: 0, next: null });
  }
  await compareAll(move, totals);
  await move.target.finish(await move.source.lastPlace(), await move.source.prunedPlace());
  return { rows: totals, resumedFrom };
}

/** How many rows of each kind a store has. */
export async function countAll(store: CopyReader): Promise<Map<CopiedKind, number>> {
  const counts = new Map<CopiedKind, number>();
  for (const kind of COPIED_KINDS) counts.set(kind, await store.count(kind));
  return counts;
}

async function copyKind(
  { source, target, onStep }: Move,
  kind: CopiedKind,
  total: number,
  from: { readonly rows: number; readonly next: CopyPlace | null },
): Promise<void> {
  let { rows, next } = from;
  do {
    const chunk = await source.read(kind, next);
    rows += chunk.rows.length;
    next = chunk.next;
    await target.write(kind, chunk.rows, { rows, next });
    onStep?.({ doing: 'copying', kind, rows, of: total });
  } while (next !== null);
}

/** Both are read whole: what is compared is what is there, not what was believed to have been written. */
async function compareAll(move: Move, totals: ReadonlyMap<CopiedKind, number>): Promise<void> {
  const different: string[] = [];
  for (const kind of COPIED_KINDS) {
    const there = await summarise(move.source, kind, move.digest, () => {});
    const here = await summarise(move.target, kind, move.digest, (rows) => {
      move.onStep?.({ doing: 'comparing', kind, rows, of: totals.get(kind) ?? 0 });
    });
    if (there.rows !== here.rows) different.push(`${kind}: ${there.rows} rows became ${here.rows}`);
    else if (there.sum !== here.sum) different.push(`${kind}: the content of some row is not the same`);
  }
  if (different.length > 0) {
    throw new Error(
      `the copy is not the same as its source (${different.join('; ')}). Was a gateway started on the ` +
        'source between two runs of this move? Remove the copy and move again',
    );
  }
}

/** The number of rows and the sum of their digests, whatever their order. */
async function summarise(
  store: CopyReader,
  kind: CopiedKind,
  digest: RowDigest,
  onChunk: (rows: number) => void,
): Promise<{ rows: number; sum: bigint }> {
  let rows = 0;
  let sum = 0n;
  let next: CopyPlace | null = null;
  do {
    const chunk = await store.read(kind, next);
    for (const row of chunk.rows) sum = BigInt.asUintN(128, sum + digest(kind, row));
    rows += chunk.rows.length;
    next = chunk.next;
    onChunk(rows);
  } while (next !== null);
  return { rows, sum };
}
