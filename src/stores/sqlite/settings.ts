import type { DatabaseSync } from 'node:sqlite';
import { Problem } from '../../domain/problem.ts';
import type { SettingChange } from '../../domain/records.ts';
import type { SettingKind, SettingKinds } from '../../domain/settings.ts';
import type { Page, PageRequest } from '../../ports/queries.ts';
import type {
  ChangeAuthor,
  KeyUse,
  SettingRecord,
  SettingsSnapshot,
  SettingVersion,
} from '../../ports/store.ts';
import { Conditions, pageOf } from './conditions.ts';
import { changeFromRow, number, text, textOrNull } from './rows.ts';

type Setting = SettingKinds[SettingKind];

export function loadSettings(db: DatabaseSync): SettingsSnapshot {
  const records = db
    .prepare('SELECT kind, document FROM settings ORDER BY kind, id')
    .all()
    .map((row) => ({
      kind: text(row, 'kind') as SettingKind,
      setting: JSON.parse(text(row, 'document')) as Setting,
    })) satisfies SettingRecord[];
  return { version: settingsVersion(db), records };
}

export function putSetting(db: DatabaseSync, kind: SettingKind, setting: Setting, by: ChangeAuthor): number {
  const namesake = db
    .prepare('SELECT id FROM settings WHERE kind = ? AND tenant = ? AND name = ?')
    .get(kind, setting.tenant, setting.name);
  if (namesake !== undefined && namesake['id'] !== setting.id) {
    throw new Problem('conflict', `another ${kind} is named "${setting.name}"; choose another name`);
  }
  const existed = db.prepare('SELECT 1 FROM settings WHERE kind = ? AND id = ?').get(kind, setting.id);
  const document = JSON.stringify(setting);
  db.prepare(
    `INSERT INTO settings (kind, id, tenant, name, document) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE
       SET tenant = excluded.tenant, name = excluded.name, document = excluded.document`,
  ).run(kind, setting.id, setting.tenant, setting.name, document);
  const action = existed === undefined ? 'created' : 'updated';
  return logChange(db, { kind, setting, action, document, by });
}

export function replaceSetting(
  db: DatabaseSync,
  kind: SettingKind,
  setting: Setting,
  by: ChangeAuthor,
  expected: Setting,
): number | null {
  const present = db.prepare('SELECT document FROM settings WHERE kind = ? AND id = ?').get(kind, setting.id);
  // Read and written by the same two functions of JSON, so that what is the same has the same text.
  if (present?.['document'] !== JSON.stringify(expected)) return null;
  return putSetting(db, kind, setting, by);
}

export function removeSetting(db: DatabaseSync, kind: SettingKind, id: string, by: ChangeAuthor) {
  const row = db.prepare('DELETE FROM settings WHERE kind = ? AND id = ? RETURNING document').get(kind, id);
  if (row === undefined) return null;
  if (kind === 'key') db.prepare('DELETE FROM key_uses WHERE key_id = ?').run(id);
  const setting = JSON.parse(text(row, 'document')) as Setting;
  return logChange(db, { kind, setting, action: 'deleted', document: null, by });
}

export function recordKeyUses(db: DatabaseSync, uses: readonly KeyUse[]): void {
  const statement = db.prepare(
    `INSERT INTO key_uses (key_id, used_at)
     SELECT id, ?2 FROM settings WHERE kind = 'key' AND id = ?1
     ON CONFLICT (key_id) DO UPDATE SET used_at = max(used_at, excluded.used_at)`,
  );
  for (const { keyId, usedAt } of uses) statement.run(keyId, usedAt);
}

export function keyUses(db: DatabaseSync): KeyUse[] {
  return db
    .prepare('SELECT key_id, used_at FROM key_uses')
    .all()
    .map((row) => ({ keyId: text(row, 'key_id'), usedAt: number(row, 'used_at') }));
}

export function settingsAsOf(db: DatabaseSync, kind: SettingKind, version: number): Setting[] {
  return db
    .prepare(
      `SELECT document FROM settings_log AS entry
       WHERE kind = ? AND document IS NOT NULL AND version = (
         SELECT max(version) FROM settings_log
         WHERE kind = entry.kind AND setting_id = entry.setting_id AND version <= ?)
       ORDER BY setting_id`,
    )
    .all(kind, version)
    .map((row) => JSON.parse(text(row, 'document')) as Setting);
}

export function settingHistory(
  db: DatabaseSync,
  kind: SettingKind,
  id: string,
  limit: number,
): SettingVersion[] {
  return db
    .prepare('SELECT * FROM settings_log WHERE kind = ? AND setting_id = ? ORDER BY version DESC LIMIT ?')
    .all(kind, id, limit)
    .map((row) => {
      const document = textOrNull(row, 'document');
      return {
        change: changeFromRow(row),
        setting: document === null ? null : (JSON.parse(document) as Setting),
      };
    });
}

export function settingChanges(
  db: DatabaseSync,
  filter: { tenant?: string; settingId?: string },
  page: PageRequest,
): Page<SettingChange> {
  const where = new Conditions();
  where.addIf('tenant = ?', filter.tenant);
  where.addIf('setting_id = ?', filter.settingId);
  where.addIf('version < ?', page.before ?? undefined);
  const rows = db
    .prepare(`SELECT * FROM settings_log ${where.sql()} ORDER BY version DESC LIMIT ?`)
    .all(...where.values, page.limit + 1);
  return pageOf(rows, page.limit, 'version', changeFromRow);
}

function settingsVersion(db: DatabaseSync): number {
  const row = db.prepare('SELECT coalesce(max(version), 0) AS version FROM settings_log').get();
  return row === undefined ? 0 : number(row, 'version');
}

function logChange(
  db: DatabaseSync,
  change: {
    kind: SettingKind;
    setting: Setting;
    action: SettingChange['action'];
    document: string | null;
    by: ChangeAuthor;
  },
): number {
  const version = settingsVersion(db) + 1;
  db.prepare(
    `INSERT INTO settings_log
       (version, kind, setting_id, tenant, action, document, at, principal, remote_address)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    version,
    change.kind,
    change.setting.id,
    change.setting.tenant,
    change.action,
    change.document,
    change.by.at,
    change.by.principal,
    change.by.remoteAddress,
  );
  return version;
}
