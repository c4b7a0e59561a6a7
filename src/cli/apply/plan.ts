import { nearestName } from '../../config/nearest-name.ts';
import { isRecord, type JsonRecord, recordOf, textOf, textsOf } from '../json-value.ts';
import { changesBetween, type FieldChange } from './field-changes.ts';
import { namesById, type PresentSettings } from './present-settings.ts';
import { secretChanges } from './secret-changes.ts';
import { type Kind, KINDS, spoken } from './setting-kinds.ts';
import type { FileMistake, WantedSetting } from './settings-file.ts';

export type Action = 'create' | 'update' | 'unchanged' | 'delete';

/** What becomes of one setting. */
export interface Step {
  readonly action: Action;
  readonly kind: Kind;
  readonly name: string;
  /** `null` = the tenant of the key. */
  readonly tenant: string | null;
  /** `null` = it is yet to be made. */
  readonly id: string | null;
  readonly changes: readonly FieldChange[];
  /** Fields to be sent, with the names of destinations and sources. */
  readonly fields: JsonRecord;
  /** Secrets to be added to what is there. */
  readonly secrets: readonly string[];
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What stands in the way: names that nothing has, changes that cannot be made. */
  readonly mistakes: readonly FileMistake[];
  /** Settings whose secrets are there already and were not looked at. */
  readonly uncompared: readonly string[];
}

export interface PlanWishes {
  readonly prune: boolean;
  readonly rotateSecrets: boolean;
  /** The kinds that the file speaks of. */
  readonly kinds: ReadonlySet<Kind>;
}

/** What has to be done so that the server has what the file wants: of one tenant, in the order to do it. */
export function makePlan(
  wanted: readonly WantedSetting[],
  present: PresentSettings,
  wishes: PlanWishes,
): Plan {
  const planner = new Planner(wanted, present, wishes);
  const steps = KINDS.flatMap((kind) =>
    wanted.filter((setting) => setting.kind === kind).map((setting) => planner.step(setting)),
  );
  const deletions = wishes.prune ? planner.deletions() : [];
  return { steps: [...steps, ...deletions], mistakes: planner.mistakes, uncompared: planner.uncompared };
}

class Planner {
  readonly mistakes: FileMistake[] = [];
  readonly uncompared: string[] = [];
  readonly #wanted: readonly WantedSetting[];
  readonly #present: PresentSettings;
  readonly #wishes: PlanWishes;
  readonly #sourceNames: ReadonlyMap<string, string>;
  readonly #destinationNames: ReadonlyMap<string, string>;

  constructor(wanted: readonly WantedSetting[], present: PresentSettings, wishes: PlanWishes) {
    this.#wanted = wanted;
    this.#present = present;
    this.#wishes = wishes;
    this.#sourceNames = namesById(present.byKind.sources);
    this.#destinationNames = namesById(present.byKind.destinations);
  }

  step(setting: WantedSetting): Step {
    const { kind, name, tenant } = setting;
    const fields = kind === 'subscriptions' ? this.#withNames(setting) : setting.fields;
    const before = this.#present.byKind[kind].find((item) => item['name'] === name);
    if (before === undefined) {
      this.mistakes.push(...setting.missingSecrets);
      return { action: 'create', kind, name, tenant, id: null, changes: [], fields, secrets: [] };
    }
    this.#refuseFixed(setting, before);
    const present = kind === 'subscriptions' ? this.#subscriptionView(before) : before;
    const compared = changesBetween(kind, fields, setting.written, present);
    const secrets = secretChanges(kind, fields, before, this.#wishes.rotateSecrets);
    if (secrets.changes.length > 0) this.mistakes.push(...setting.missingSecrets);
    if (secrets.isUncompared) this.uncompared.push(`${spoken(kind)} ${name}`);
    const changes = [...compared.changes, ...secrets.changes];
    return {
      action: changes.length === 0 ? 'unchanged' : 'update',
      kind,
      name,
      tenant,
      id: textOf(before, 'id'),
      changes,
      fields: { ...compared.fields, ...secrets.fields },
      secrets: secrets.added,
    };
  }

  /** In the order in which they can go: a destination that a subscription names cannot be deleted. */
  deletions(): Step[] {
    return KINDS.toReversed()
      .filter((kind) => this.#wishes.kinds.has(kind))
      .flatMap((kind) =>
        this.#present.byKind[kind]
          .filter((item) => !this.#isWanted(kind, textOf(item, 'name')))
          .map((item) => ({
            action: 'delete' as const,
            kind,
            name: textOf(item, 'name') ?? '',
            tenant: textOf(item, 'tenant'),
            id: textOf(item, 'id'),
            changes: [],
            fields: {},
            secrets: [],
          })),
      );
  }

  #isWanted(kind: Kind, name: string | null): boolean {
    return this.#wanted.some((setting) => setting.kind === kind && setting.name === name);
  }

  /** The fields of a subscription with names in place of ids; names that nothing has are mistakes. */
  #withNames(setting: WantedSetting): JsonRecord {
    const { fields } = setting;
    const destination = textOf(fields, 'destination');
    const named =
      destination === null
        ? {}
        : { destination: this.#known('destinations', destination, setting, ['destination']) };
    if (!Array.isArray(fields['sources'])) return { ...fields, ...named };
    const sources = textsOf(fields['sources']).map((source, index) =>
      this.#known('sources', source, setting, ['sources', index]),
    );
    return { ...fields, ...named, sources };
  }

  #known(
    kind: 'destinations' | 'sources',
    text: string,
    setting: WantedSetting,
    path: readonly (string | number)[],
  ): string {
    const names = kind === 'sources' ? this.#sourceNames : this.#destinationNames;
    const name = names.get(text) ?? text;
    if (this.#isWanted(kind, name)) return name;
    const exists = [...names.values()].includes(name);
    if (this.#isKept(kind, setting.name, text)) return name;
    const isPruned = this.#wishes.prune && this.#wishes.kinds.has(kind);
    if (exists && !isPruned) return name;
    const fileNames = this.#wanted.filter((other) => other.kind === kind).map((other) => other.name);
    const near = nearestName(text, [...fileNames, ...(isPruned ? [] : names.values())]);
    const what = exists
      ? `--prune deletes the ${spoken(kind)} "${name}", which is not in the file`
      : `there is no ${spoken(kind)} "${text}"`;
    this.mistakes.push(
      setting.mistakeAt(path, near === null || exists ? what : `${what}; did you mean "${near}"?`),
    );
    return name;
  }

  /** Whether a subscription holds the id already, of a source that was deleted since. */
  #isKept(kind: Kind, subscription: string, id: string): boolean {
    const item = this.#present.byKind.subscriptions.find(({ name }) => name === subscription);
    return kind === 'sources' && textsOf(item?.['sources']).includes(id) && !this.#sourceNames.has(id);
  }

  #subscriptionView(item: JsonRecord): JsonRecord {
    const destinationId = textOf(item, 'destination_id') ?? '';
    const ids = textsOf(item['sources']);
    const known = ids.flatMap((id) => this.#sourceNames.get(id) ?? []);
    // Ids of deleted sources match nothing; a file cannot name them, so they are no difference.
    const sources = known.length > 0 ? known : ids;
    return { ...item, destination: this.#destinationNames.get(destinationId) ?? destinationId, sources };
  }

  /** What the API lets nobody change. */
  #refuseFixed(setting: WantedSetting, before: JsonRecord): void {
    const { kind, fields, written } = setting;
    const refuse = (path: readonly string[], from: unknown, to: unknown): void => {
      const advice = `delete the ${spoken(kind)}, or give the new one another name`;
      this.mistakes.push(
        setting.mistakeAt(path, `cannot change from ${String(from)} to ${String(to)}; ${advice}`),
      );
    };
    if (kind === 'sources') {
      const wanted = fields['provider'] === 'standard-webhooks' ? 'standardwebhooks' : fields['provider'];
      if (wanted !== undefined && wanted !== before['provider'])
        refuse(['provider'], before['provider'], recordOf(written)['provider']);
    }
    const signing = fields['signing'];
    if (kind !== 'destinations' || !isRecord(signing)) return;
    const scheme = signing['scheme'] ?? 'standard';
    const present = recordOf(before['signing'])['scheme'];
    if (scheme !== present) refuse(['signing', 'scheme'], present, scheme);
  }
}
