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
import { pageOf } from './memory-queries.ts';
import type { MemoryTables, SettingStep } from './memory-tables.ts';

/** Settings as the list of their changes; the state at a version is what the changes up to it left. */
export class MemorySettings implements SettingsStore {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    this.#tables = tables;
  }

  async load(): Promise<SettingsSnapshot> {
    const steps = this.#tables().settingSteps;
    return { version: steps.length, records: recordsAfter(steps) };
  }

  async put<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    author: ChangeAuthor,
  ): Promise<number> {
    const steps = this.#tables().settingSteps;
    const others = recordsAfter(steps).filter((record) => record.kind === kind);
    const existed = others.some((other) => other.setting.id === setting.id);
    const namesake = others.find(
      ({ setting: other }) =>
        other.id !== setting.id && other.tenant === setting.tenant && other.name === setting.name,
    );
    if (namesake !== undefined) {
      throw new Problem('conflict', `there is another ${kind} named "${setting.name}"`);
    }
    const action = existed ? 'updated' : 'created';
    return append(steps, changeOf({ kind, setting }, action, author), { kind, setting });
  }

  async replace<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    author: ChangeAuthor,
    expected: SettingKinds[Kind],
  ): Promise<number | null> {
    const present = recordsAfter(this.#tables().settingSteps).find(
      (record) => record.kind === kind && record.setting.id === setting.id,
    );
    if (JSON.stringify(present?.setting) !== JSON.stringify(expected)) return null;
    return this.put(kind, setting, author);
  }

  async remove(kind: SettingKind, id: string, author: ChangeAuthor): Promise<number | null> {
    const steps = this.#tables().settingSteps;
    const record = recordsAfter(steps).find((other) => other.kind === kind && other.setting.id === id);
    if (record === undefined) return null;
    if (kind === 'key') this.#tables().keyUses.delete(id);
    return append(steps, changeOf(record, 'deleted', author), null);
  }

  async asOf<Kind extends SettingKind>(kind: Kind, version: number): Promise<readonly SettingKinds[Kind][]> {
    return recordsAfter(this.#tables().settingSteps.filter((step) => step.change.version <= version))
      .filter((record) => isOf(record, kind))
      .map((record) => record.setting);
  }

  async history<Kind extends SettingKind>(
    kind: Kind,
    id: string,
    limit: number,
  ): Promise<readonly SettingVersion<Kind>[]> {
    return this.#tables()
      .settingSteps.filter(({ change }) => change.kind === kind && change.settingId === id)
      .toReversed()
      .slice(0, limit)
      .map(({ change, record }) => ({
        change,
        setting: record !== null && isOf(record, kind) ? record.setting : null,
      }));
  }

  async recordKeyUses(uses: readonly KeyUse[]): Promise<void> {
    const { keyUses, settingSteps } = this.#tables();
    const keys = new Set(recordsAfter(settingSteps).map(({ setting }) => setting.id));
    for (const { keyId, usedAt } of uses) {
      if (keys.has(keyId)) keyUses.set(keyId, Math.max(usedAt, keyUses.get(keyId) ?? 0));
    }
  }

  async keyUses(): Promise<readonly KeyUse[]> {
    return Array.from(this.#tables().keyUses, ([keyId, usedAt]) => ({ keyId, usedAt }));
  }

  async changes(
    filter: { tenant?: string; settingId?: string },
    page: PageRequest,
  ): Promise<Page<SettingChange>> {
    const rows = this.#tables().settingSteps.map(({ change }) => ({ seq: change.version, item: change }));
    return pageOf(
      rows,
      page,
      (change) =>
        (filter.tenant === undefined || filter.tenant === change.tenant) &&
        (filter.settingId === undefined || filter.settingId === change.settingId),
    );
  }
}

function recordsAfter(steps: readonly SettingStep[]): SettingRecord[] {
  const records = new Map<string, SettingRecord>();
  for (const { change, record } of steps) {
    const name = JSON.stringify([change.kind, change.settingId]);
    if (record === null) records.delete(name);
    else records.set(name, record);
  }
  return [...records.values()];
}

function isOf<Kind extends SettingKind>(record: SettingRecord, kind: Kind): record is SettingRecord<Kind> {
  return record.kind === kind;
}

type UnnumberedChange = Omit<SettingChange, 'version'>;

function changeOf(
  { kind, setting }: SettingRecord,
  action: SettingChange['action'],
  author: ChangeAuthor,
): UnnumberedChange {
  return { kind, settingId: setting.id, tenant: setting.tenant, action, ...author };
}

function append(steps: SettingStep[], change: UnnumberedChange, record: SettingRecord | null): number {
  const version = steps.length + 1;
  steps.push({ change: { ...change, version }, record });
  return version;
}
