import type { SimulatedProvider, Simulation, SimulationKeys } from '../../app/simulation.ts';
import type { ApiClient } from '../api-client.ts';
import { perMinute } from '../../domain/rate-limit.ts';
import { parseDuration } from '../../domain/units.ts';
import { cliName } from '../cli-name.ts';
import { isRecord, type JsonRecord, numberOf, recordOf, textOf } from '../json-value.ts';
import { NameBook } from '../names.ts';
import { failure, paint, printable, printNote, usageFailure } from '../output.ts';
import type { KeyStore } from './key-store.ts';

/** Where simulated requests go, and what signs them. */
export interface Target {
  readonly url: string;
  /** The address that is signed, where a provider signs it. */
  readonly signedUrl: string;
  readonly keys: SimulationKeys;
  readonly label: string;
  /** The largest body that is taken; null when it is not known. */
  readonly maxBodyBytes: number | null;
}

/** What was said about the target. */
export interface TargetWish {
  readonly to: string | undefined;
  readonly source: string | undefined;
  readonly signedUrl: string | undefined;
  /** Keys that were given; `config` are the provider's public settings. */
  readonly own: {
    readonly secret?: string;
    readonly privateKey?: string;
    readonly keyId?: string;
    readonly verification?: Readonly<Record<string, unknown>>;
    readonly config: Readonly<Record<string, string>>;
  };
}

/** What finding a target takes. */
export interface TargetMeans {
  readonly simulation: Simulation;
  readonly store: KeyStore;
  /** Asked only when the target is a source. */
  readonly api: ApiClient;
  /** Whether the gateway is one that runs on this machine for development. */
  readonly isDevelopment: boolean;
}

/** Finds the target, or makes one: a source named `simulate-PROVIDER`. */
export async function findTarget(
  provider: SimulatedProvider,
  wish: TargetWish,
  means: TargetMeans,
): Promise<Target> {
  if (wish.to !== undefined && wish.source !== undefined)
    throw usageFailure('give --to or --source, not both');
  if (wish.to !== undefined) return addressTarget(provider, wish.to, wish, means);
  const source =
    wish.source === undefined ? await ownSource(provider, means) : await namedSource(wish.source, means);
  return sourceTarget(provider, source, wish, means);
}

function addressTarget(
  provider: SimulatedProvider,
  address: string,
  { own, signedUrl }: TargetWish,
  { simulation }: TargetMeans,
): Target {
  const url = checkedUrl(address, '--to');
  const made = simulation.simulator.makeKeys(provider.id, own.config);
  const keys = withOwn(made.signing, own);
  const secret = keys.secrets?.[0];
  if (own.secret === undefined && own.privateKey === undefined) {
    const { config } = made.source;
    if (secret !== undefined) printNote(`no --secret was given; signing with a new one: ${secret}`);
    else if (Object.keys(config).length > 0)
      printNote(
        `no --private-key was given; signing with a new one. For the receiver: ${JSON.stringify(config)}`,
      );
  }
  return { url, signedUrl: signedUrl ?? url, keys, label: url, maxBodyBytes: null };
}

function checkedUrl(text: string, option: string): string {
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw usageFailure(`${option} must be an http or https URL, not "${text}"`, [
      `to a source of a gateway: --source NAME`,
    ]);
  }
  return text;
}

async function namedSource(text: string, { api }: TargetMeans): Promise<JsonRecord> {
  const id = await new NameBook(api).idOf('sources', text);
  return recordOf(await api.call('GET', `/v1/sources/${id}`));
}

/** The source that simulations of a provider have for themselves; made when it is not there. */
async function ownSource(provider: SimulatedProvider, means: TargetMeans): Promise<JsonRecord> {
  const name = `simulate-${provider.id}`;
  const sources = await means.api.list('/v1/sources');
  const [known] = sources.filter((source) => source['name'] === name && source['provider'] === provider.id);
  if (known !== undefined) return known;
  const made = means.simulation.simulator.makeKeys(provider.id);
  const { secrets, config, verification } = made.source;
  const body = {
    name,
    provider: provider.id,
    config,
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(verification === undefined ? {} : { verification }),
  };
  const source = recordOf(await means.api.call('POST', '/v1/sources', { body }));
  means.store.write(textOf(source, 'id') ?? '', made.signing);
  printNote(
    `made the source ${paint('bold', name, process.stderr)} for simulations; its secret stays in ${means.store.pathOf(textOf(source, 'id') ?? '')}`,
  );
  return source;
}

async function sourceTarget(
  provider: SimulatedProvider,
  source: JsonRecord,
  wish: TargetWish,
  means: TargetMeans,
): Promise<Target> {
  const name = textOf(source, 'name') ?? '';
  const of = textOf(source, 'provider') ?? '';
  if (means.simulation.simulator.find(of)?.id !== provider.id) {
    throw usageFailure(`the source ${printable(name)} is for ${of}, not for ${provider.id}`, [
      `${cliName()} simulate ${of} --source ${printable(name)}`,
    ]);
  }
  const url = textOf(source, 'url') ?? '';
  return {
    url,
    signedUrl: wish.signedUrl ?? url,
    keys: await sourceKeys(provider, source, wish, means),
    label: `source ${printable(name)}`,
    maxBodyBytes: numberOf(source, 'max_body_bytes'),
  };
}

async function sourceKeys(
  provider: SimulatedProvider,
  source: JsonRecord,
  { own }: TargetWish,
  means: TargetMeans,
): Promise<SimulationKeys> {
  const { store, simulation } = means;
  const id = textOf(source, 'id') ?? '';
  const settings = { ...toldRate(source), ...textSettings(recordOf(source['config'])) };
  const { verification } = source;
  const made = simulation.simulator.makeKeys(provider.id, settings);
  const unanswered = provider.needs.handshakeConfig.filter((name) => !(name in settings));
  const signing = {
    ...made.signing,
    config: without(made.signing.config, unanswered),
    ...(isRecord(verification) ? { verification } : {}),
  };
  if (own.secret !== undefined || own.privateKey !== undefined) return withOwn(signing, own);
  const stored = store.read(id);
  if (stored !== undefined) return withOwn({ ...stored, config: { ...stored.config, ...settings } }, own);
  const isOurs = source['name'] === `simulate-${provider.id}`;
  if (signing.privateKey !== undefined) {
    if (!isOurs) throw noKey(provider, source);
    const config = { ...recordOf(source['config']), ...made.source.config };
    await means.api.call('PATCH', `/v1/sources/${id}`, { body: { config } });
  } else if ((signing.secrets ?? []).length > 0) {
    if (!isOurs && !means.isDevelopment) throw noSecret(source);
    await means.api.call('POST', `/v1/sources/${id}/secrets`, { body: { secret: signing.secrets?.[0] } });
    const name = printable(textOf(source, 'name') ?? '');
    printNote(
      `added a secret for simulations to the source ${name}, kept in ${store.pathOf(id)}; its own stay valid`,
    );
  }
  // What the source says is asked each time: stored, it would outlive a change of the source.
  store.write(id, { ...signing, config: without(signing.config, Object.keys(settings)) });
  return withOwn(signing, own);
}

function noKey({ id }: SimulatedProvider, source: JsonRecord) {
  return failure(
    `the key that signs for the source ${printable(textOf(source, 'name') ?? '')} is the sender's own`,
    [
      'give the private key that belongs to the public one of the source: --private-key FILE',
      `or leave out --source: ${cliName()} simulate ${id} makes a source with keys of its own`,
    ],
  );
}

function noSecret(source: JsonRecord) {
  const name = printable(textOf(source, 'name') ?? '');
  return failure(`the secret of the source ${name} cannot be read back from the gateway`, [
    'give it: --secret @FILE, or RINGBACK_SIMULATE_SECRET',
    `or give the source one more for simulations: ${cliName()} sources add-secret ${name} --secret @FILE`,
  ]);
}

function withOwn(keys: SimulationKeys, own: TargetWish['own']): SimulationKeys {
  return {
    ...keys,
    ...(own.secret === undefined ? {} : { secrets: [own.secret] }),
    ...(own.privateKey === undefined ? {} : { privateKey: own.privateKey }),
    ...(own.keyId === undefined ? {} : { keyId: own.keyId }),
    ...(own.verification === undefined ? {} : { verification: own.verification }),
    config: { ...keys.config, ...own.config },
  };
}

function without(config: SimulationKeys['config'], names: readonly string[]): SimulationKeys['config'] {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !names.includes(name)));
}

// A source without the setting tells its own limit, as the verifier does.
function toldRate({ rate_limit: rate }: JsonRecord): Record<string, string> {
  if (!isRecord(rate) || typeof rate['limit'] !== 'number' || typeof rate['period'] !== 'string') return {};
  const periodMs = parseDuration(rate['period']);
  return periodMs === null ? {} : { allowedRate: String(perMinute({ limit: rate['limit'], periodMs })) };
}

// As the verifier reads them: either spelling of a name.
function textSettings(config: JsonRecord): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([written, value]) => {
      const name = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return typeof value === 'string' ? [[name, value] as const] : [];
    }),
  );
}
