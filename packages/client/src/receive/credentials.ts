import type { FetchLike } from '../verify/key-fetch.ts';
import { createPreparedVerifier } from '../verify/prepared-verifier.ts';
import type { ProviderModule } from '../verify/prepare-provider.ts';
import { prepareProvider } from '../verify/prepare-provider.ts';
import type { Credentials } from '../verify/prepared-scheme.ts';
import type { ReceiverSource } from './receiver.ts';

type Secrets = string | readonly string[] | undefined;

/** What to verify with. Which of them a provider needs is in its documentation. */
export interface ReceiverCredentials extends Omit<Credentials, 'secrets'> {
  /**
   * One secret, or the current one first and then previous ones. As a function it is asked at the
   * first request: where the environment is not there yet when the module is loaded, as in
   * `next build`.
   */
  readonly secret?: Secrets | (() => Secrets);
  /** The same as `secret` with a list. */
  readonly secrets?: readonly string[];
  /** Fetches key documents for the few providers that need it. Default: the global `fetch`. */
  readonly fetch?: FetchLike;
}

/** The credentials in the form that schemes take. */
export function plainCredentials(options: ReceiverCredentials): Credentials {
  const { secret, secrets, publicKey, keys, jwks, config } = options;
  const given = typeof secret === 'function' ? secret() : secret;
  const all = [given ?? [], secrets ?? []].flat();
  return {
    ...(all.length === 0 ? {} : { secrets: all }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(keys === undefined ? {} : { keys }),
    ...(jwks === undefined ? {} : { jwks }),
    ...(config === undefined ? {} : { config }),
  };
}

/**
 * Compiles a source, at once unless its secret comes late; a mistake in the settings is thrown here,
 * not at the first webhook.
 */
export function compileOnce(find: () => ProviderModule, options: ReceiverCredentials): () => ReceiverSource {
  let made: ReceiverSource | undefined;
  const make = (): ReceiverSource => {
    const credentials = plainCredentials(options);
    const prepared = prepareProvider(find(), credentials);
    const { id, provider } = prepared;
    return {
      id,
      provider,
      verifier: createPreparedVerifier(prepared, { ...credentials, ...fetchOf(options) }),
    };
  };
  const source = (): ReceiverSource => (made ??= make());
  if (typeof options.secret !== 'function') source();
  return source;
}

function fetchOf({ fetch }: ReceiverCredentials): { readonly fetch?: FetchLike } {
  return fetch === undefined ? {} : { fetch };
}
