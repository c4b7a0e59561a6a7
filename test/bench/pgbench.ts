import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemBinaries } from '../../scripts/services/postgres-server.ts';
import { signedPush } from './parts/github-push.ts';

const run = promisify(execFile);
/** Events in one transaction, as the target says. */
const GROUP = 50;
const CLIENTS = 4;

/**
 * What the server alone takes in: events a second that `pgbench` inserts with the same rows (event,
 * de-duplication key, delivery) into the same tables with the same indexes, 50 in each transaction.
 *
 * Throws where there is no pgbench: the packaged server comes without it.
 */
export async function serverAlone(
  url: string,
  schema: string,
  secret: string,
  seconds: number,
): Promise<{ readonly perSecond: number }> {
  const pgbench = findPgbench();
  if (pgbench === null) throw new Error('pgbench is not installed: apt-get install postgresql');
  const folder = mkdtempSync(join(tmpdir(), 'ringback-bench-'));
  try {
    const script = join(folder, 'insert.sql');
    writeFileSync(script, insertScript(schema, secret));
    const args = ['-n', '-c', String(CLIENTS), '-j', '1', '-T', String(seconds), '-f', script, url];
    const { stdout } = await run(pgbench, args, { timeout: (seconds + 60) * 1_000 });
    const perSecond = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (!(perSecond > 0)) throw new Error(`pgbench said: ${stdout}`);
    return { perSecond: perSecond * GROUP };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function findPgbench(): string | null {
  try {
    const path = join(systemBinaries(), 'pgbench');
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Three statements for fifty of each; ids and places differ from one transaction to the next. */
function insertScript(schema: string, secret: string): string {
  const { body, headers } = signedPush(secret);
  const headerText = quoted(JSON.stringify(Object.entries(headers).flat()));
  const origin = quoted(
    JSON.stringify({
      requestId: 'req_00000000000000000000000000',
      method: 'POST',
      path: '',
      remoteAddress: '127.0.0.1',
      traceparent: null,
      verification: { provider: 'github', covers: 'body', secretIndex: 0 },
      dedupeKey: 'bench-0000000000',
    }),
  );
  const places = Array.from({ length: GROUP }, (_, n) => n);
  const events = places.map(
    (n) => `(:at + ${n}, 'evt_b' || :at + ${n}, 'default', 'src_bench', 'gh', 'com.github.push', NULL, NULL,
      'bench-' || :at + ${n}, NULL, NULL, :at / 1000, :at / 1000, 'application/json', ${headerText}, 1, ${origin},
      ${quoted(body)}::bytea)`,
  );
  const keys = places.map(
    (n) => `('src_bench', 'b' || :at + ${n}, 'evt_b' || :at + ${n}, '', 0, :at / 1000 + 86400000)`,
  );
  const deliveries = places.map(
    (
      n,
    ) => `(:at + ${GROUP + n}, 'dlv_b' || :at + ${n}, 'default', :at + ${n}, 'sub_bench', 'dst_bench', 'pending',
      0, :at / 1000, :at / 1000, :at / 1000, ${body.length})`,
  );
  return `
SELECT nextval('${schema}.bench_place') AS at \\gset
BEGIN;
INSERT INTO ${schema}.events VALUES ${events.join(',')};
INSERT INTO ${schema}.dedupe VALUES ${keys.join(',')};
INSERT INTO ${schema}.open_deliveries (seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts,
  due_at, created_at, updated_at, body_bytes) VALUES ${deliveries.join(',')};
COMMIT;
`.replaceAll(/\n\s+/g, ' ');
}

/** Places that no gateway gives: from the middle of today on, two for each event of a group. */
export function placesStatement(schema: string, nowMs: number): string {
  const from = Math.floor(nowMs / 86_400_000) * 86_400_000_000 + 1;
  return `CREATE SEQUENCE ${schema}.bench_place INCREMENT ${GROUP * 2} START ${from}`;
}
