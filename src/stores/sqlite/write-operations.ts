import type { DatabaseSync } from 'node:sqlite';
import type { SettingKind, SettingKinds } from '../../domain/settings.ts';
import type { ClaimRequest, ClaimResult, EndRequest, ReleaseRequest } from '../../ports/event-log.ts';
import type { Rejection, Replay } from '../../domain/records.ts';
import type {
  ChangeAuthor,
  KeyUse,
  RejectionBounds,
  RepeatedEvent,
  ReplayAdvance,
} from '../../ports/store.ts';
import { AppendEvent } from './append-event.ts';
import { ClaimDue } from './claim-due.ts';
import { recordDuplicates } from './duplicates.ts';
import { bringForward, endPending, pendingLanes, releaseHeld } from './end-pending.ts';
import { OrderGate } from './order-gate.ts';
import { runningReplays } from './replay-queries.ts';
import { advanceReplay, cancelReplay, createReplay } from './replays.ts';
import type { AppendRows } from './rows.ts';
import { Sequence } from './sequence.ts';
import {
  keyUses,
  loadSettings,
  putSetting,
  recordKeyUses,
  removeSetting,
  replaceSetting,
} from './settings.ts';
import { Settle, type SettlementRows } from './settle.ts';
import {
  EventPruning,
  failingDestinations,
  noteFailing,
  noteSilent,
  noteSourceEvents,
  pruneDedupe,
  RejectionRing,
  sourceActivity,
} from './upkeep.ts';

/**
 * What the writer thread can do, by name. Each runs inside the transaction of its group; a throw undoes
 * the whole group, whose members are then tried one by one.
 */
export function writeOperations(db: DatabaseSync) {
  const sequence = new Sequence(db);
  const order = new OrderGate(db);
  const appendEvent = new AppendEvent(db, sequence, order);
  const claimDue = new ClaimDue(db);
  const settle = new Settle(db, order);
  const rejections = new RejectionRing(db);
  const pruning = new EventPruning(db);
  return {
    append: (rows: AppendRows, body: Uint8Array) => appendEvent.append(rows, body),
    appendAll: (ask: { all: readonly AppendRows[]; sizes: readonly number[] }, bodies: Uint8Array) =>
      appendEvent.appendAll(ask.all, ask.sizes, bodies),
    claimDue: (request: ClaimRequest): ClaimResult => claimDue.claim(request),
    settle: (rows: SettlementRows) => settle.settle(rows),
    pendingLanes: () => pendingLanes(db),
    endPending: (request: EndRequest) => endPending(db, order, request),
    releaseHeld: (request: ReleaseRequest) => releaseHeld(db, request),
    bringForward: (request: { deliveryId: string; atMs: number }) =>
      bringForward(db, request.deliveryId, request.atMs),
    loadSettings: () => loadSettings(db),
    putSetting: (request: { kind: SettingKind; setting: SettingKinds[SettingKind]; by: ChangeAuthor }) =>
      putSetting(db, request.kind, request.setting, request.by),
    replaceSetting: (request: {
      kind: SettingKind;
      setting: SettingKinds[SettingKind];
      by: ChangeAuthor;
      expected: SettingKinds[SettingKind];
    }) => replaceSetting(db, request.kind, request.setting, request.by, request.expected),
    removeSetting: (request: { kind: SettingKind; id: string; by: ChangeAuthor }) =>
      removeSetting(db, request.kind, request.id, request.by),
    recordKeyUses: (uses: readonly KeyUse[]): void => recordKeyUses(db, uses),
    keyUses: () => keyUses(db),
    createReplay: (replay: Replay): void => createReplay(db, sequence, replay),
    advanceReplay: (step: ReplayAdvance) => advanceReplay(db, sequence, order, step),
    cancelReplay: (request: { replayId: string; atMs: number }) =>
      cancelReplay(db, request.replayId, request.atMs),
    runningReplays: () => runningReplays(db),
    recordRejections: (request: { rejections: readonly Rejection[]; bounds: RejectionBounds }): void =>
      rejections.record(request.rejections, request.bounds),
    recordDuplicates: (repeated: readonly RepeatedEvent[]): void => recordDuplicates(db, repeated),
    pruneEvents: (request: { receivedBefore: number; limit: number }) =>
      pruning.prune(request.receivedBefore, request.limit),
    pruneDedupe: (request: { nowMs: number; limit: number }) => pruneDedupe(db, request.nowMs, request.limit),
    noteFailing: (request: { destinationId: string; failingSince: number | null }): void =>
      noteFailing(db, request.destinationId, request.failingSince),
    failingDestinations: () => failingDestinations(db),
    noteSourceEvents: (notes: readonly { sourceId: string; lastEventAt: number }[]): void =>
      noteSourceEvents(db, notes),
    noteSilent: (request: { sourceId: string; silentSince: number | null }) =>
      noteSilent(db, request.sourceId, request.silentSince),
    sourceActivity: () => sourceActivity(db),
    /** Proves that a commit can be made: it writes a page. */
    probe: (): void => db.exec('UPDATE store_state SET probes = probes + 1'),
  };
}

export type WriteOperations = ReturnType<typeof writeOperations>;
