import { Problem } from '../../domain/problem.ts';
import type { SettingChange } from '../../domain/records.ts';
import type { SettingKind, SettingKinds } from '../../domain/settings.ts';
import type { Page, PageRequest } from '../../ports/queries.ts';
import type {
  ChangeAuthor,
  KeyUse,
  SettingRecord,
  SettingsSnapshot,
  SettingsStore,
  SettingVersion,
} from '../../ports/store.ts';
import { Conditions, pageOf } from './conditions.ts';
import type { Database, Run } from './database.ts';
import { changeFromRow, document, number, text } from './rows.ts';
import { toText, toTextOrNull } from './text-columns.ts';

type Setting = SettingKinds[SettingKind];

/** Sources, destinations, subscriptions, keys and event types. `announce` tells the other nodes. */
export function settings(database: Database, announce: (run: Run) => Promise<void>): SettingsStore {
  const change = <Result>(work: (run: Run) => Promise<Result>): Promise<Result> =>
    database.transaction('work', async (run) => {
      // One change at a time, over all nodes: versions have no gaps and are seen in order.
      await run({ text: 'LOCK TABLE settings_log IN SHARE ROW EXCLUSIVE MODE' });
      const result = await work(run);
      await announce(run);
      return result;
    });
  return {
    load: () => loadSettings(database),
    put: (kind, setting, by) => change((run) => putSetting(run, kind, setting, by)),
    replace: (kind, setting, by, expected) =>
      change((run) => replaceSetting(run, kind, setting, by, expected)),
    remove: (kind, id, by) => change((run) => removeSetting(run, kind, id, by)),
    asOf: <Kind extends SettingKind>(kind: Kind, version: number) =>
      settingsAsOf(database, kind, version) as Promise<SettingKinds[Kind][]>,
    history: <Kind extends SettingKind>(kind: Kind, id: string, limit: number) =>
      settingHistory(database, kind, id, limit) as Promise<SettingVersion<Kind>[]>,
    recordKeyUses: (uses) => recordKeyUses(database, uses),
    keyUses: () => keyUses(database),
    changes: (filter, page) => settingChanges(database, filter, page),
  };
}

/** The version of the settings now; 0 before the first change. */
export const SETTINGS_VERSION = 'SELECT coalesce(max(version), 0) AS version FROM settings_log';

/** In one statement, so that the version is that of the records. */
async function loadSettings(database: Database): Promise<SettingsSnapshot> {
  const rows = await database.run('work', {
    text: `
      SELECT version, kind, document FROM (${SETTINGS_VERSION}) AS latest LEFT JOIN settings ON true
      ORDER BY kind, id`,
  });
  const [first] = rows;
  return {
    version: first === undefined ? 0 : number(first, 'version'),
    records: rows
      .filter((row) => row['kind'] !== null)
      .map((row) => ({
        kind: text(row, 'kind') as SettingKind,
        setting: document(row, 'document') as Setting,
      })) satisfies SettingRecord[],
  };
}

async function putSetting(run: Run, kind: SettingKind, setting: Setting, by: ChangeAuthor): Promise<number> {
  const found = await run({
    text: 'SELECT id FROM settings WHERE kind = $1 AND (id = $2 OR (tenant = $3 AND name = $4))',
    values: [kind, toText(setting.id), toText(setting.tenant), toText(setting.name)],
  });
  const ids = found.map((row) => text(row, 'id'));
  if (ids.some((id) => id !== setting.id)) {
    throw new Problem('conflict', `another ${kind} is named "${setting.name}"; choose another name`);
  }
  const settled = JSON.stringify(setting);
  await run({
    text: `
      INSERT INTO settings (kind, id, tenant, name, document) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (kind, id) DO UPDATE
        SET tenant = excluded.tenant, name = excluded.name, document = excluded.document`,
    values: [kind, toText(setting.id), toText(setting.tenant), toText(setting.name), settled],
  });
  return logChange(run, { kind, setting, action: ids.length === 0 ? 'created' : 'updated', settled, by });
}

async function replaceSetting(
  run: Run,
  kind: SettingKind,
  setting: Setting,
  by: ChangeAuthor,
  expected: Setting,
): Promise<number | null> {
  const [present] = await run({
    text: 'SELECT document FROM settings WHERE kind = $1 AND id = $2',
    values: [kind, toText(setting.id)],
  });
  // Kept as text, and read and written by the same two functions of JSON: what is the same looks the same.
  if (present?.['document'] !== JSON.stringify(expected)) return null;
  return putSetting(run, kind, setting, by);
}

async function removeSetting(
  run: Run,
  kind: SettingKind,
  id: string,
  by: ChangeAuthor,
): Promise<number | null> {
  const [row] = await run({
    text: 'DELETE FROM settings WHERE kind = $1 AND id = $2 RETURNING document',
    values: [kind, toText(id)],
  });
  if (row === undefined) return null;
  if (kind === 'key') await run({ text: 'DELETE FROM key_uses WHERE key_id = $1', values: [toText(id)] });
  const setting = document(row, 'document') as Setting;
  return logChange(run, { kind, setting, action: 'deleted', settled: null, by });
}

/** In one statement; in the order of the ids, so that two nodes cannot wait for each other's rows. */
async function recordKeyUses(database: Database, uses: readonly KeyUse[]): Promise<void> {
  if (uses.length === 0) return;
  await database.run('work', {
    text: `
      INSERT INTO key_uses (key_id, used_at)
      SELECT id, max(used.used_at) FROM settings
      JOIN unnest($1::text[], $2::bigint[]) AS used (key_id, used_at) ON used.key_id = id
      WHERE kind = 'key' GROUP BY id ORDER BY id
      ON CONFLICT (key_id) DO UPDATE SET used_at = greatest(key_uses.used_at, excluded.used_at)`,
    values: [uses.map(({ keyId }) => toText(keyId)), uses.map(({ usedAt }) => usedAt)],
  });
}

async function keyUses(database: Database): Promise<KeyUse[]> {
  const rows = await database.run('work', { text: 'SELECT key_id, used_at FROM key_uses' });
  return rows.map((row) => ({ keyId: text(row, 'key_id'), usedAt: number(row, 'used_at') }));
}

async function settingsAsOf(database: Database, kind: SettingKind, version: number): Promise<Setting[]> {
  const rows = await database.run('ask', {
    text: `
      SELECT document FROM (
        SELECT DISTINCT ON (setting_id) setting_id, document FROM settings_log
        WHERE kind = $1 AND version <= $2 ORDER BY setting_id, version DESC
      ) AS newest
      WHERE document IS NOT NULL ORDER BY setting_id`,
    values: [kind, version],
  });
  return rows.map((row) => document(row, 'document') as Setting);
}

async function settingHistory(
  database: Database,
  kind: SettingKind,
  id: string,
  limit: number,
): Promise<SettingVersion[]> {
  const rows = await database.run('ask', {
    text: 'SELECT * FROM settings_log WHERE kind = $1 AND setting_id = $2 ORDER BY version DESC LIMIT $3',
    values: [kind, toText(id), limit],
  });
  return rows.map((row) => ({
    change: changeFromRow(row),
    setting: row['document'] === null ? null : (document(row, 'document') as Setting),
  }));
}

async function settingChanges(
  database: Database,
  filter: { tenant?: string; settingId?: string },
  page: PageRequest,
): Promise<Page<SettingChange>> {
  const where = new Conditions();
  where.addIf('tenant = ?', filter.tenant);
  where.addIf('setting_id = ?', filter.settingId);
  where.addIf('version < ?', page.before);
  const limit = where.value(page.limit + 1);
  const rows = await database.run('ask', {
    text: `SELECT * FROM settings_log ${where.sql()} ORDER BY version DESC LIMIT ${limit}`,
    values: where.values,
  });
  return pageOf(rows, page.limit, 'version', changeFromRow);
}

async function logChange(
  run: Run,
  change: {
    kind: SettingKind;
    setting: Setting;
    action: SettingChange['action'];
    settled: string | null;
    by: ChangeAuthor;
  },
): Promise<number> {
  const { kind, setting, action, settled, by } = change;
  const [row] = await run({
    text: `
      INSERT INTO settings_log
        (version, kind, setting_id, tenant, action, document, at, principal, remote_address)
      SELECT version + 1, $1, $2, $3, $4, $5, $6, $7, $8 FROM (${SETTINGS_VERSION}) AS latest
      RETURNING version`,
    values: [
      kind,
      toText(setting.id),
      toText(setting.tenant),
      action,
      settled,
      by.at,
      toText(by.principal),
      toTextOrNull(by.remoteAddress),
    ],
  });
  if (row === undefined) throw new TypeError('a change was not logged');
  return number(row, 'version');
}
