import type { AppendRequest, EventLog } from '../../src/ports/event-log.ts';
import type { Store } from '../../src/ports/store.ts';
import type { ViolationKind } from './ledger.ts';

interface PlantedBug {
  readonly what: string;
  /** What the oracle must say of it. */
  readonly foundAs: ViolationKind;
  readonly plant: (log: EventLog, now: () => number) => Partial<EventLog>;
}

/** Strikes the `n`th of what it is asked about, and only that one. */
function nth(n: number): () => boolean {
  let seen = 0;
  return () => {
    seen += 1;
    return seen === n;
  };
}

/** Strikes the `n`th event; a sender that repeats itself is no new event, and changes nothing. */
function nthEvent(n: number): (request: AppendRequest) => boolean {
  const known = new Set<string>();
  return ({ dedupe }) => {
    const name = `${dedupe?.scope} ${dedupe?.key}`;
    if (known.has(name)) return false;
    known.add(name);
    return known.size === n;
  };
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * Stores that break a promise, each in one way: the oracle must find every one. None does it by chance, and
 * none depends on a crash; each breaks what it has acknowledged.
 */
export const PLANTED_BUGS = {
  drops_an_event: {
    what: 'acknowledges one event in a thousand and keeps nothing of it',
    foundAs: 'lost',
    plant: (log) => {
      const strikes = nthEvent(1_000);
      let dropped: AppendRequest | null = null;
      return {
        append: (request) => {
          const isRepeated = dropped !== null && dropped.dedupe?.key === request.dedupe?.key;
          if (!isRepeated && !strikes(request)) return log.append(request);
          // Repeating it must not make good what was lost.
          dropped ??= request;
          const eventId = dropped.event.id;
          // Core attempts what it has leased without reading it back: a drop that leaves it that is none.
          (request.deliveries as unknown[]).length = 0;
          return Promise.resolve({ eventId, duplicate: isRepeated, conflict: false, seq: 1 });
        },
      };
    },
  },
  loses_a_delivery: {
    what: 'keeps an event without one of the deliveries that it owes',
    foundAs: 'lost',
    plant: (log) => {
      const strikes = nthEvent(10);
      return {
        append: (request) => {
          const owesOrdered = request.deliveries.some(({ initial }) => initial.state === 'pending');
          if (!owesOrdered || !strikes(request)) return log.append(request);
          const deliveries = request.deliveries.filter(({ initial }) => initial.state !== 'pending');
          return log.append({ ...request, deliveries });
        },
      };
    },
  },
  forgets_order: {
    what: 'lets two deliveries of a key out at once',
    foundAs: 'two_in_flight',
    plant: (log) => ({
      append: (request) => {
        const deliveries = request.deliveries.map(({ orderKey: _orderKey, ...delivery }) => delivery);
        return log.append({ ...request, deliveries });
      },
    }),
  },
  swaps_order: {
    what: 'lets the second delivery of a key out before the first',
    foundAs: 'out_of_order',
    plant: (log, now) => {
      const strikes = nthEvent(1);
      return {
        append: (request) => {
          const isOrdered = request.deliveries.some(({ orderKey }) => orderKey !== undefined);
          if (!isOrdered || !strikes(request)) return log.append(request);
          const deliveries = request.deliveries.map(({ orderKey, ...delivery }) =>
            orderKey === undefined
              ? delivery
              : { ...delivery, initial: { state: 'pending', dueAt: now() + 3_000 } as const },
          );
          return log.append({ ...request, deliveries });
        },
      };
    },
  },
  invents_an_event: {
    what: 'delivers what was never sent',
    foundAs: 'unexpected',
    plant: (log, now) => {
      const strikes = nthEvent(10);
      return {
        append: async (request) => {
          const appended = await log.append(request);
          if (strikes(request)) {
            const { event, deliveries } = request;
            const body = ENCODER.encode(DECODER.decode(event.body).replace('"ref":"', '"ref":"invented-'));
            const invented = deliveries.map(({ orderKey: _orderKey, ...delivery }) => ({
              ...delivery,
              id: `${delivery.id}x`,
              initial: { state: 'pending', dueAt: now() } as const,
            }));
            await log.append({
              event: { ...event, id: `${event.id}x`, body },
              dedupe: null,
              deliveries: invented,
            });
          }
          return appended;
        },
      };
    },
  },
  changes_a_body: {
    what: 'delivers another body than was sent',
    foundAs: 'unexpected',
    plant: (log) => {
      const strikes = nthEvent(10);
      return {
        append: (request) => {
          if (!strikes(request)) return log.append(request);
          const changed = ENCODER.encode(DECODER.decode(request.event.body).replace('"filling"', '"filled"'));
          return log.append({ ...request, event: { ...request.event, body: changed } });
        },
      };
    },
  },
  accepts_twice: {
    what: 'makes a second event of a repeated request',
    foundAs: 'unexpected',
    plant: (log) => ({ append: (request) => log.append({ ...request, dedupe: null }) }),
  },
  forgets_an_outcome: {
    what: 'says that an outcome is recorded when it is not, so that the delivery comes again',
    foundAs: 'unexpected',
    plant: (log) => {
      const strikes = nth(10);
      return { settle: (settlement) => (strikes() ? Promise.resolve('settled') : log.settle(settlement)) };
    },
  },
  gives_up_unrecorded: {
    what: 'gives a delivery up without a record of its attempts',
    foundAs: 'unrecorded',
    plant: (log) => {
      const strikes = nth(10);
      return {
        settle: (settlement) =>
          log.settle(
            strikes()
              ? { ...settlement, attempt: null, next: { state: 'dead', reason: 'attempts_exhausted' } }
              : settlement,
          ),
      };
    },
  },
} as const satisfies Readonly<Record<string, PlantedBug>>;

export type PlantedBugName = keyof typeof PLANTED_BUGS;

/** The store with a bug in it; as it is when none is named. */
export function plantBug(name: string, store: Store, now: () => number): Store {
  if (name === '') return store;
  const bug: PlantedBug | undefined = Object.entries(PLANTED_BUGS).find(([known]) => known === name)?.[1];
  if (bug === undefined) throw new Error(`there is no planted bug ${name}`);
  const { log } = store;
  const broken: EventLog = {
    append: (request) => log.append(request),
    appendAll: (requests) => log.appendAll(requests),
    claimDue: (request) => log.claimDue(request),
    settle: (settlement) => log.settle(settlement),
    pendingLanes: () => log.pendingLanes(),
    endPending: (request) => log.endPending(request),
    releaseHeld: (request) => log.releaseHeld(request),
    bringForward: (deliveryId, atMs) => log.bringForward(deliveryId, atMs),
    ...bug.plant(log, now),
  };
  return { ...store, log: broken };
}
