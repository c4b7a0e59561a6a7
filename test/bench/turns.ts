/** What is counted in a measurement. */
interface Rate {
  readonly perSecond: number;
}

export interface Turn<Ours extends Rate, Floor extends Rate> {
  readonly ours: Ours;
  /** The measurement of the baseline right before. */
  readonly before: Floor;
  /** The baseline's rate: the mean of right before and right after. */
  readonly floor: number;
  readonly ratio: number;
}

const TURNS = 7;

/**
 * Measures in turns with the baseline, and gives the turn with the middle ratio. Other machines use the same
 * host: its speed changes within minutes, so each turn is short and stands between two measurements of the
 * baseline.
 */
export async function inTurns<Ours extends Rate, Floor extends Rate>(
  measureFloor: () => Promise<Floor>,
  measureOurs: () => Promise<Ours>,
): Promise<Turn<Ours, Floor>> {
  const turns: Turn<Ours, Floor>[] = [];
  let before = await measureFloor();
  for (let turn = 0; turn < TURNS; turn += 1) {
    const ours = await measureOurs();
    const after = await measureFloor();
    const floor = (before.perSecond + after.perSecond) / 2;
    turns.push({ ours, before, floor, ratio: ours.perSecond / floor });
    before = after;
  }
  const sorted = turns.toSorted((left, right) => left.ratio - right.ratio);
  const middle = sorted[Math.floor(TURNS / 2)];
  if (middle === undefined) throw new Error('no turns');
  return middle;
}
