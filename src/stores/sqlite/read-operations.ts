import type { DatabaseSync } from 'node:sqlite';
import type { Replay, ReplayFilter } from '../../domain/records.ts';
import type { SettingKind } from '../../domain/settings.ts';
import type { DeliveryFilter, EventFilter, PageRequest, RejectionFilter } from '../../ports/queries.ts';
import { eventDuplicates } from './duplicates.ts';
import * as queries from './queries.ts';
import * as replays from './replay-queries.ts';
import { settingChanges, settingHistory, settingsAsOf } from './settings.ts';
import { sizeBytes } from './upkeep.ts';

type Candidates = Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>;

/** What the reader thread can answer, by name. */
export function readOperations(db: DatabaseSync) {
  return {
    events: (ask: { filter: EventFilter; page: PageRequest }) => queries.listEvents(db, ask.filter, ask.page),
    event: (id: string) => queries.findEvent(db, id),
    eventsAfter: (ask: {
      seq: number;
      filter: EventFilter;
      limit: number;
      maxBodyBytes: number | undefined;
    }) => queries.eventsAfter(db, ask.seq, ask.filter, ask.limit, ask.maxBodyBytes),
    lastSeq: () => queries.lastSeq(db),
    deliveries: (ask: { filter: DeliveryFilter; page: PageRequest }) =>
      queries.listDeliveries(db, ask.filter, ask.page),
    delivery: (id: string) => queries.findDelivery(db, id),
    attempts: (deliveryId: string) => queries.listAttempts(db, deliveryId),
    rejections: (ask: { filter: RejectionFilter; page: PageRequest }) =>
      queries.listRejections(db, ask.filter, ask.page),
    rejection: (id: string) => queries.findRejection(db, id),
    duplicates: (eventId: string) => eventDuplicates(db, eventId),
    dedupeHolder: (ask: { scope: string; key: string }) => queries.dedupeHolder(db, ask.scope, ask.key),
    backlogs: () => queries.backlogs(db),
    replays: (ask: { tenant: string | null; page: PageRequest }) =>
      replays.listReplays(db, ask.tenant, ask.page),
    replay: (id: string) => replays.findReplay(db, id),
    countReplay: (ask: { filter: ReplayFilter; over: Replay['over']; tenant: string | null }) =>
      replays.countReplay(db, ask.filter, ask.over, ask.tenant),
    replayCandidates: (ask: { replay: Candidates; limit: number }) =>
      replays.replayCandidates(db, ask.replay, ask.limit),
    settingsAsOf: (ask: { kind: SettingKind; version: number }) => settingsAsOf(db, ask.kind, ask.version),
    settingHistory: (ask: { kind: SettingKind; id: string; limit: number }) =>
      settingHistory(db, ask.kind, ask.id, ask.limit),
    settingChanges: (ask: { filter: { tenant?: string; settingId?: string }; page: PageRequest }) =>
      settingChanges(db, ask.filter, ask.page),
    sizeBytes: () => sizeBytes(db),
  };
}

export type ReadOperations = ReturnType<typeof readOperations>;
