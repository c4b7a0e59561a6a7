import type { SealedSecret, SettingKind, SettingKinds } from './settings.ts';

/** Kinds that hold no secrets, and may hold JSON of a user's own that looks like one. */
const WITHOUT_SECRETS: ReadonlySet<SettingKind> = new Set(['subscription', 'key', 'event_type']);
/** Fields of the others that are a user's own. */
const USERS_OWN: ReadonlySet<string> = new Set(['config', 'verification', 'schema', 'headers']);

/** Every secret that a setting holds, wherever it lies. */
export function sealedSecretsOf<Kind extends SettingKind>(
  kind: Kind,
  setting: SettingKinds[Kind],
): SealedSecret[] {
  const found: SealedSecret[] = [];
  mapSealedSecrets(kind, setting, (secret) => {
    found.push(secret);
    return secret;
  });
  return found;
}

/** The setting with each of its secrets changed; all else is as it was. */
export function mapSealedSecrets<Kind extends SettingKind>(
  kind: Kind,
  setting: SettingKinds[Kind],
  change: (secret: SealedSecret) => SealedSecret,
): SettingKinds[Kind] {
  if (WITHOUT_SECRETS.has(kind)) return setting;
  // What is not a sealed secret is copied as it is, so the type stays.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return mapValue(setting, change) as SettingKinds[Kind];
}

function mapValue(value: unknown, change: (secret: SealedSecret) => SealedSecret): unknown {
  if (Array.isArray(value)) return value.map((item) => mapValue(item, change));
  if (typeof value !== 'object' || value === null) return value;
  if (isSealedSecret(value)) return change(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      USERS_OWN.has(name) ? field : mapValue(field, change),
    ]),
  );
}

function isSealedSecret(value: object): value is SealedSecret {
  return (
    'sealed' in value && typeof value.sealed === 'string' && 'createdAt' in value && 'expiresAt' in value
  );
}
