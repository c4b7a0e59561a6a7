import type { DestinationName, Ledger, Receipt, Sent } from './ledger.ts';

/**
 * The verdict over a round whose work is done: everything acknowledged was received or given up with its
 * attempts on record, and every key came in order. What could be seen at once (two in flight, a body that
 * changed, what nobody sent) the ledger has told already.
 */
export function judgeRound(ledger: Ledger): void {
  for (const { sent, destination } of ledger.unresolved()) {
    const seen = ledger.receiptsOf(sent.ref, destination).length;
    ledger.violate(
      'lost',
      `${sent.ref} (${sent.eventId}) was acknowledged; ${destination} never accepted it (${seen} attempts seen)`,
    );
  }
  ledger.judgeOverlaps();
  for (const destination of ['ordered', 'rough'] as const) judgeOrder(ledger, destination);
}

/** Each event of a key must have come to its end before the next one begins, and must not come again. */
function judgeOrder(ledger: Ledger, destination: DestinationName): void {
  const byKey = new Map<string, Sent[]>();
  for (const sent of ledger.sent.values()) {
    if (sent.key !== null) byKey.set(sent.key, [...(byKey.get(sent.key) ?? []), sent]);
  }
  for (const ofKey of byKey.values()) {
    const delivered = ofKey
      .toSorted((one, other) => one.place - other.place)
      .map((sent) => ({ sent, receipts: current(ledger.receiptsOf(sent.ref, destination)) }))
      .filter(({ receipts }) => receipts.length > 0);
    for (const [index, later] of delivered.entries()) {
      const earlier = delivered[index - 1];
      if (earlier === undefined) continue;
      const began = Math.min(...later.receipts.map(({ beganAt }) => beganAt));
      const last = Math.max(...earlier.receipts.map(({ beganAt }) => beganAt));
      if (last > began) {
        const what = `${earlier.sent.ref} came to ${destination} after ${later.sent.ref}, which is behind it`;
        ledger.violate('out_of_order', what);
      } else if (!ledger.isResolved(earlier.sent, destination)) {
        // Not acknowledged and never accepted, it still held the place before the later one.
        if (ledger.acknowledged.has(earlier.sent.ref)) continue;
        const what = `${later.sent.ref} came to ${destination} before ${earlier.sent.ref} had ended`;
        ledger.violate('out_of_order', what);
      }
    }
  }
}

/** Without attempts that came when a later one of the same delivery had come: see `Ledger.outlived`. */
function current(receipts: readonly Receipt[]): Receipt[] {
  return receipts.filter(
    (receipt, index) => !receipts.slice(0, index).some(({ attempt }) => attempt > receipt.attempt),
  );
}
