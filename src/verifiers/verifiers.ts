import type { FetchLike } from '../../packages/client/src/verify/key-fetch.ts';
import { genericProviders, providers } from '../../packages/client/src/verify/provider-table.ts';
import type { Answer } from '../../packages/client/src/verify/handshake-rule.ts';
import { isRecord, plainText } from '../../packages/client/src/verify/reference.ts';
import { schemeCovers } from '../../packages/client/src/verify/scheme-covers.ts';
import { selectScheme } from '../../packages/client/src/verify/select-scheme.ts';
import type { Protobufs } from '../ports/protobufs.ts';
import { headerValue, isJsonType } from '../domain/event.ts';
import type { FieldError } from '../domain/problem.ts';
import { Problem } from '../domain/problem.ts';
import { perMinute } from '../domain/rate-limit.ts';
import type { Source } from '../domain/settings.ts';
import type { HandshakeAnswer, SourceTraits, SourceVerifier, Verifiers } from '../ports/verifier.ts';
import { publicSecretMistake, secretMistake } from './secret-mistakes.ts';
import type { SourceVerifierOptions } from './verifier.ts';
import { VerifierSettingsError, createSourceVerifier } from './verifier.ts';

export interface VerifiersOptions {
  readonly fetch?: FetchLike;
  readonly protobufs?: Protobufs;
  readonly takesPublicSecrets?: boolean;
}

/**
 * The verifiers of the built-in providers and of declared schemes.
 *
 * @param options.fetch fetches key documents; give it the address guard.
 * @param options.protobufs reads the identity of events whose body is a message.
 * @param options.takesPublicSecrets whether secrets that documentation prints may be used. Default: yes.
 */
export function createVerifiers(options: VerifiersOptions = {}): Verifiers {
  const ids = [...Object.keys(providers), ...genericProviders].toSorted((a, b) => (a < b ? -1 : 1));
  return {
    compile: (source, secrets, { awaitsSecret = false } = {}) =>
      compileSource(source, secrets, awaitsSecret, options),
    traits,
    secretMistake: (source, text) =>
      mistakeIn(source, text) ??
      (options.takesPublicSecrets === false ? publicSecretMistake(source.provider, text) : null),
    providers: () => ids,
  };
}

function compileSource(
  source: Source,
  secrets: readonly string[],
  awaitsSecret: boolean,
  { fetch: fetchLike, protobufs }: VerifiersOptions,
): SourceVerifier {
  try {
    const settings = withRate(readConfig(source.config), source);
    const verifier = createSourceVerifier({
      provider: source.provider,
      secrets,
      awaitsSecret,
      ...settings,
      ...(source.verification === null ? {} : { verification: source.verification }),
      ...(fetchLike === undefined ? {} : { fetch: fetchLike }),
      ...decoding(source, protobufs),
    });
    const { secretBroughtBy } = verifier;
    return {
      ...(secretBroughtBy === undefined ? {} : { secretBroughtBy }),
      verify: (request) => verifier.verify(request),
      handshake: (request) => verifier.handshake(request),
      refusalStatus: verifier.refusalStatus,
      successAnswer: verifier.successAnswer === undefined ? null : complete(verifier.successAnswer),
    };
  } catch (error) {
    if (!(error instanceof VerifierSettingsError)) throw error;
    throw new Problem('validation_failed', error.message, { errors: error.errors, cause: error });
  }
}

/** A body is a message unless its content type is JSON. */
function decoding(
  { protobuf = null }: Source,
  protobufs: Protobufs | undefined,
): Pick<SourceVerifierOptions, 'decode'> {
  if (protobuf === null || protobufs === undefined) return {};
  return {
    decode: ({ headers, body }) => {
      if (isJsonType(headerValue(headers, 'content-type') ?? null)) return undefined;
      const decoded = protobufs.decode(protobuf, body);
      return decoded.ok ? { value: decoded.value } : undefined;
    },
  };
}

function mistakeIn({ provider, verification, config }: Source, text: string): string | null {
  try {
    const { config: settings } = readConfig(config);
    const { scheme } = selectScheme(provider, verification ?? undefined, settings);
    return secretMistake(provider, scheme, verification !== null, text);
  } catch (error) {
    // What is wrong with the other fields is told when the source is compiled.
    if (error instanceof VerifierSettingsError || error instanceof Problem) return null;
    throw error;
  }
}

function traits(source: Source): SourceTraits | null {
  try {
    const { config } = readConfig(source.config);
    const { scheme, provider } = selectScheme(source.provider, source.verification ?? undefined, config);
    const handovers = (provider?.handshakes ?? []).filter(({ learns }) => learns !== undefined);
    return {
      covers: scheme === undefined ? 'nothing' : schemeCovers(scheme),
      handsSecretOver: handovers.length > 0,
      wantsSecretBack: handovers.some(({ wantsSecretBack }) => wantsSecretBack === true),
    };
  } catch (error) {
    if (error instanceof VerifierSettingsError || error instanceof Problem) return null;
    throw error;
  }
}

function complete(answer: Answer): HandshakeAnswer {
  return { status: answer.status, headers: answer.headers ?? {}, body: answer.body ?? '' };
}

type Credentials = Pick<SourceVerifierOptions, 'publicKey' | 'keys' | 'jwks' | 'config'>;

/**
 * A source's public fields as credentials and settings. Names may be written `snake_case`, as in
 * the REST API, or as the table of providers has them.
 */
function readConfig(config: Readonly<Record<string, unknown>>): Credentials {
  const errors: FieldError[] = [];
  const settings: Record<string, string> = {};
  const credentials: { -readonly [K in keyof Credentials]: Credentials[K] } = {};
  for (const [written, value] of Object.entries(config)) {
    const name = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const pointer = `/config/${written}`;
    const text = plainText(value);
    if (name === 'keys') {
      if (isTexts(value)) credentials.keys = value;
      else errors.push({ pointer, message: 'must be an object: each public key (PEM) by its id' });
    } else if (name === 'jwks') {
      const keys = isRecord(value) ? value['keys'] : undefined;
      if (Array.isArray(keys)) credentials.jwks = { keys: keys.filter((key) => isRecord(key)) };
      else errors.push({ pointer, message: 'must be a key set: an object with a list "keys"' });
    } else if (text === undefined) {
      errors.push({ pointer, message: 'must be a text' });
    } else {
      settings[name] = text;
      // Braintree calls one of its ids a public key too, so it is both.
      if (name === 'publicKey') credentials.publicKey = text;
    }
  }
  if (errors.length > 0)
    throw new Problem('validation_failed', 'the fields of the provider have mistakes', { errors });
  return { ...credentials, config: settings };
}

/** What the source takes is also what it tells a sender that asks (CloudEvents), unless that is set. */
function withRate(credentials: Credentials, { rateLimit }: Source): Credentials {
  if (rateLimit === null || credentials.config?.['allowedRate'] !== undefined) return credentials;
  return { ...credentials, config: { ...credentials.config, allowedRate: String(perMinute(rateLimit)) } };
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every((each) => typeof each === 'string');
}
