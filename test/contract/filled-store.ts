import type { Store } from '../../src/ports/store.ts';
import {
  buildAppend,
  buildAttempt,
  buildAuthor,
  buildClaim,
  buildDedupe,
  buildDuplicate,
  buildEvent,
  buildFailedAttempt,
  buildLane,
  buildNewDelivery,
  buildRejection,
  buildReplay,
  leasedBy,
  START_MS,
} from '../../src/testing/builders.ts';
import { buildDestination, buildApiKey, buildSource } from '../../src/testing/setting-builders.ts';

/** Two days on, so that PostgreSQL needs more than one partition. */
const LATER_MS = START_MS + 2 * 86_400_000;

/** Fills a store with something of everything, the awkward included; `events` of them plain ones. */
export async function fillStore(store: Store, events = 50): Promise<void> {
  await fillSettings(store);
  await fillDeliveries(store);
  for (let from = 0; from < events; from += 500) {
    await store.log.appendAll(
      Array.from({ length: Math.min(500, events - from) }, (_, index) =>
        buildAppend({
          event: buildEvent({ receivedAt: LATER_MS, body: bodyOf(from + index) }),
          deliveries: [buildNewDelivery({ initial: { state: 'pending', dueAt: LATER_MS } })],
        }),
      ),
    );
  }
  await store.replays.create(buildReplay());
  await store.replays.create(
    buildReplay({ state: 'completed', ratePerSecond: 2.5, destinationId: 'dst_one' }),
  );
  const bounds = { maxPerSource: 100, maxBytes: 1 << 20 };
  await store.upkeep.recordRejections([buildRejection(), buildRejection({ sourceId: null })], bounds);
  await store.upkeep.noteFailing('dst_down', START_MS);
  await store.upkeep.noteSourceEvents([
    { sourceId: 'src_quiet', lastEventAt: START_MS },
    { sourceId: 'src_one', lastEventAt: START_MS + 1 },
  ]);
  await store.upkeep.noteSilent('src_quiet', START_MS + 2);
}

/** Bytes of any kind, some of them none. */
function bodyOf(index: number): Uint8Array {
  return Uint8Array.from({ length: (index * 37) % 900 }, (_, at) => (at * index) % 256);
}

async function fillSettings(store: Store): Promise<void> {
  const sealed = { sealed: 'rb1:sealed:AAECAw==', createdAt: START_MS, expiresAt: null };
  const source = buildSource({ secrets: [sealed] });
  const key = buildApiKey();
  await store.settings.put('source', source, buildAuthor());
  await store.settings.put(
    'source',
    { ...source, name: 'renamed é 漢' },
    buildAuthor({ remoteAddress: null }),
  );
  const destination = buildDestination();
  await store.settings.put('destination', destination, buildAuthor());
  await store.settings.remove('destination', destination.id, buildAuthor());
  await store.settings.put('key', key, buildAuthor());
  await store.settings.recordKeyUses([{ keyId: key.id, usedAt: START_MS }]);
}

async function fillDeliveries(store: Store): Promise<void> {
  // U+0000 and U+0001 are text that PostgreSQL cannot hold as it is.
  const event = buildEvent({ key: 'a\0b\u0001c', subject: '', correlationId: 'corr', causationId: null });
  const retried = buildNewDelivery({ initial: leasedBy('worker') });
  await store.log.append({
    event,
    dedupe: buildDedupe({ key: 'taken\0' }),
    deliveries: [
      retried,
      buildNewDelivery({ initial: { state: 'dead', reason: 'destination_unknown' } }),
      buildNewDelivery({ orderKey: 'one', destinationId: 'dst_order' }),
      buildNewDelivery({ orderKey: 'one', destinationId: 'dst_order' }),
      buildNewDelivery({ initial: leasedBy('vanished', START_MS + 1_000), destinationId: 'dst_lost' }),
    ],
  });
  const { id: deliveryId } = retried;
  const again = { state: 'pending', dueAt: START_MS, reason: null } as const;
  const failed = buildFailedAttempt({ durationMs: 12.25, nextAttemptAt: START_MS });
  await store.log.settle({ deliveryId, token: 'worker', atMs: START_MS, attempt: failed, next: again });
  await store.log.claimDue(buildClaim({ token: 'second' }));
  await store.log.settle({
    deliveryId,
    token: 'second',
    atMs: START_MS + 1,
    attempt: buildAttempt({ number: 2, responseBody: 'a\0answer' }),
    next: { state: 'succeeded' },
  });
  // The first of an order key ends, and the second becomes due.
  const lanes = [buildLane({ destinationId: 'dst_order' })];
  const ordered = await store.log.claimDue(buildClaim({ token: 'third', lanes }));
  for (const { id } of ordered.leased) {
    const next = { state: 'dead', reason: 'attempts_exhausted' } as const;
    await store.log.settle({
      deliveryId: id,
      token: 'third',
      atMs: START_MS,
      attempt: buildFailedAttempt(),
      next,
    });
  }
  const requests = [buildDuplicate(), buildDuplicate({ principal: 'key_1', idempotencyKey: 'a\0b' })];
  await store.upkeep.recordDuplicates([{ eventId: event.id, count: 7, requests }]);
}
