/** A value of a copied row. */
export type CopiedValue = string | number | null | Uint8Array;

/** One row on its way from one store to another, columns by name. */
export type CopiedRow = Readonly<Record<string, CopiedValue>>;

type ColumnKind = 'text' | 'integer' | 'real' | 'bytes';

/**
 * All that a move takes along, as kinds of rows and their columns, in the order in which they are copied:
 * what another row refers to comes first.
 *
 * Columns of a delivery that has ended and that only matter before (`due_at`, `lease_until`, `lease_token`,
 * `order_key`) are null here, whatever a store has left in them.
 */
export const COPIED = {
  settings: { kind: 'text', id: 'text', tenant: 'text', name: 'text', document: 'text' },
  settings_log: {
    version: 'integer',
    kind: 'text',
    setting_id: 'text',
    tenant: 'text',
    action: 'text',
    document: 'text',
    at: 'integer',
    principal: 'text',
    remote_address: 'text',
  },
  key_uses: { key_id: 'text', used_at: 'integer' },
  failing_destinations: { destination_id: 'text', failing_since: 'integer' },
  source_activity: { source_id: 'text', last_event_at: 'integer', silent_since: 'integer' },
  events: {
    seq: 'integer',
    id: 'text',
    tenant: 'text',
    source_id: 'text',
    source: 'text',
    type: 'text',
    key: 'text',
    subject: 'text',
    external_id: 'text',
    correlation_id: 'text',
    causation_id: 'text',
    occurred_at: 'integer',
    received_at: 'integer',
    content_type: 'text',
    headers: 'text',
    settings_version: 'integer',
    origin: 'text',
    body: 'bytes',
  },
  deliveries: {
    seq: 'integer',
    id: 'text',
    tenant: 'text',
    event_seq: 'integer',
    subscription_id: 'text',
    destination_id: 'text',
    state: 'text',
    attempts: 'integer',
    due_at: 'integer',
    lease_until: 'integer',
    lease_token: 'text',
    created_at: 'integer',
    updated_at: 'integer',
    reason: 'text',
    last_status: 'integer',
    last_error: 'text',
    replay_of: 'text',
    replay_id: 'text',
    order_key: 'text',
  },
  attempts: {
    event_seq: 'integer',
    delivery_seq: 'integer',
    number: 'integer',
    started_at: 'integer',
    duration_ms: 'real',
    outcome: 'text',
    status: 'integer',
    error: 'text',
    response_headers: 'text',
    response_body: 'text',
    next_attempt_at: 'integer',
  },
  duplicates: {
    event_seq: 'integer',
    number: 'integer',
    request_id: 'text',
    at: 'integer',
    remote_address: 'text',
    principal: 'text',
    idempotency_key: 'text',
  },
  dedupe: { scope: 'text', key: 'text', event_id: 'text', fingerprint: 'text', expires_at: 'integer' },
  replays: {
    seq: 'integer',
    id: 'text',
    tenant: 'text',
    filter: 'text',
    destination_id: 'text',
    rate_per_second: 'real',
    state: 'text',
    matched: 'integer',
    created: 'integer',
    over: 'text',
    cursor: 'integer',
    end_seq: 'integer',
    missing: 'integer',
    cut_before: 'integer',
    created_at: 'integer',
    updated_at: 'integer',
    principal: 'text',
  },
  rejections: {
    seq: 'integer',
    id: 'text',
    tenant: 'text',
    source_id: 'text',
    request_id: 'text',
    at: 'integer',
    code: 'text',
    reason: 'text',
    remote_address: 'text',
    method: 'text',
    path: 'text',
    headers: 'text',
    body: 'bytes',
    body_bytes: 'integer',
    kept_bytes: 'integer',
  },
} as const satisfies Record<string, Record<string, ColumnKind>>;

/** A kind of rows of a move. Every store must know all of them: what one had no place for would be lost. */
export type CopiedKind = keyof typeof COPIED;

/** In the order of `COPIED`. */
export const COPIED_KINDS: readonly CopiedKind[] = Object.keys(COPIED).filter((name) => isCopiedKind(name));

function isCopiedKind(name: string): name is CopiedKind {
  return Object.hasOwn(COPIED, name);
}

/** The columns of a kind of row, with what they hold. */
export function columnsOf(kind: CopiedKind): readonly (readonly [name: string, holds: ColumnKind])[] {
  return Object.entries(COPIED[kind]);
}

/** A place among the rows of one kind, in the order in which one store reads them; as JSON. */
export type CopyPlace = readonly (string | number)[];

/** Rows that were read together: as many as fit into a few mebibytes. */
export interface CopiedChunk {
  readonly rows: readonly CopiedRow[];
  /** Where to go on; `null` = there is no more. */
  readonly next: CopyPlace | null;
}

/** A store that is read row by row while no gateway uses it. */
export interface CopyReader {
  count(kind: CopiedKind): Promise<number>;
  /** The rows behind `after`, from the first on when that is `null`. Each row is in one chunk only. */
  read(kind: CopiedKind, after: CopyPlace | null): Promise<CopiedChunk>;
  /** The last place given in the log, also when what had it is gone. */
  lastPlace(): Promise<number>;
  /** The highest place of an event that retention removed, so that readers from before it still hear of it. */
  prunedPlace(): Promise<number>;
  /** Lets gateways use the store again. */
  close(): Promise<void>;
}

/** How far the rows of one kind have been written. */
export interface CopyProgress {
  readonly rows: number;
  /** Where the source goes on; `null` = all of them are here. */
  readonly next: CopyPlace | null;
}

/** A store that is being filled, and that no gateway opens before `finish`. */
export interface CopyWriter extends CopyReader {
  /** What earlier runs have written; kinds that were not begun are absent. */
  progress(): Promise<ReadonlyMap<CopiedKind, CopyProgress>>;
  /** Writes rows and how far that is, in one transaction: a crash leaves both or neither. */
  write(kind: CopiedKind, rows: readonly CopiedRow[], progress: CopyProgress): Promise<void>;
  /** Makes the store an ordinary one, whose next place is above `lastPlace`. */
  finish(lastPlace: number, prunedPlace: number): Promise<void>;
}
