import type { Rejection } from '../../domain/records.ts';
import type { RejectionBounds } from '../../ports/store.ts';
import type { Database, Run } from './database.ts';
import { toText, toTextOrNull } from './text-columns.ts';

/** What a rejection takes beside its body and headers, roughly: the row and its index entries. */
const ROW_OVERHEAD_BYTES = 300;

const RECORD = `
  INSERT INTO rejections (
    id, tenant, source_id, request_id, at, code, reason, remote_address, method, path, headers, body, body_bytes,
    kept_bytes)
  SELECT id, tenant, source_id, request_id, at, code, reason, remote_address, method, path, headers,
    substr($2::bytea, body_from, body_kept), body_bytes, kept_bytes
  FROM json_to_recordset($1) AS row (
    id text, tenant text, source_id text, request_id text, at bigint, code text, reason text,
    remote_address text, method text, path text, headers text, body_from int, body_kept int,
    body_bytes bigint, kept_bytes int)`;

/** Beyond the newest `$2` of source `$1` nothing of it stays. */
const TRIM_SOURCE = `
  DELETE FROM rejections WHERE source_id IS NOT DISTINCT FROM $1 AND seq < (
    SELECT seq FROM rejections WHERE source_id IS NOT DISTINCT FROM $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)`;

/** Everything older than the newest that together take more than `$1` bytes. */
const TRIM_BYTES = `
  DELETE FROM rejections WHERE seq <= (
    SELECT max(seq) FROM (
      SELECT seq, sum(kept_bytes) OVER (ORDER BY seq DESC) AS bytes FROM rejections
    ) AS newest WHERE bytes > $1)`;

/** Keeps refused requests, newest first, within bounds per source and in all. */
export async function recordRejections(
  database: Database,
  rejections: readonly Rejection[],
  bounds: RejectionBounds,
): Promise<void> {
  if (rejections.length === 0) return;
  await database.transaction('upkeep', async (run) => {
    // Two nodes that trim at once would wait for each other's rows, and might do so in a circle.
    await run({ text: 'LOCK TABLE rejections IN SHARE ROW EXCLUSIVE MODE' });
    await record(run, rejections);
    for (const sourceId of new Set(rejections.map((rejection) => rejection.sourceId))) {
      await run({ text: TRIM_SOURCE, values: [toTextOrNull(sourceId), bounds.maxPerSource - 1] });
    }
    await run({ text: TRIM_BYTES, values: [bounds.maxBytes] });
  });
}

async function record(run: Run, rejections: readonly Rejection[]): Promise<void> {
  let bodyFrom = 1;
  const rows = rejections.map((rejection) => {
    const row = { ...rejectionColumns(rejection), body_from: bodyFrom };
    bodyFrom += rejection.body.byteLength;
    return row;
  });
  const bodies = Buffer.concat(rejections.map((rejection) => rejection.body));
  await run({ text: RECORD, values: [JSON.stringify(rows), bodies] });
}

function rejectionColumns(rejection: Rejection): Record<string, unknown> {
  const headers = JSON.stringify(rejection.headers);
  return {
    id: rejection.id,
    tenant: toText(rejection.tenant),
    source_id: toTextOrNull(rejection.sourceId),
    request_id: toText(rejection.requestId),
    at: rejection.at,
    code: rejection.code,
    reason: toText(rejection.reason),
    remote_address: toTextOrNull(rejection.remoteAddress),
    method: toText(rejection.method),
    path: toText(rejection.path),
    headers,
    body_kept: rejection.body.byteLength,
    body_bytes: rejection.bodyBytes,
    kept_bytes: headers.length + rejection.body.byteLength + ROW_OVERHEAD_BYTES,
  };
}
