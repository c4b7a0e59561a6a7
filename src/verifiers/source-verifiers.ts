import { z } from 'zod';
import { genericProviders, providers } from '../../packages/client/src/verify/provider-table.ts';
import { isProblemCode, Problem } from '../domain/problem.ts';
import type { Source } from '../domain/settings.ts';
import type { IngestRequest, SourceVerdict, SourceVerifier, Verifiers } from '../ports/verifier.ts';
import {
  createSourceVerifier,
  type SourceVerifierOptions,
  type Verdict,
  VerifierSettingsError,
} from './verifier.ts';

/** Verifiers for the sources of the gateway, made from the table of providers. */
export class SourceVerifiers implements Verifiers {
  readonly #fetch: SourceVerifierOptions['fetch'];

  /** `fetch` gets the key documents of providers that publish theirs; it must be guarded. */
  constructor(fetch: NonNullable<SourceVerifierOptions['fetch']>) {
    this.#fetch = fetch;
  }

  compile(source: Source, secrets: readonly string[]): SourceVerifier {
    const verifier = this.#create(source, secrets);
    return {
      verify: (request) => {
        const verdict = verifier.verify(toRequest(request));
        return verdict instanceof Promise ? verdict.then(toVerdict) : toVerdict(verdict);
      },
      handshake: () => undefined,
      successAnswer: null,
    };
  }

  providers(): readonly string[] {
    return [...genericProviders, ...Object.keys(providers).toSorted()];
  }

  #create(source: Source, secrets: readonly string[]) {
    try {
      return createSourceVerifier({
        provider: source.provider,
        secrets,
        ...publicSettings(source.config),
        ...(source.verification === null ? {} : { verification: source.verification }),
        ...(this.#fetch === undefined ? {} : { fetch: this.#fetch }),
      });
    } catch (error) {
      if (!(error instanceof VerifierSettingsError)) throw error;
      const errors = error.errors.length > 0 ? error.errors : [error];
      throw new Problem('validation_failed', error.message, {
        errors: errors.map(({ pointer, message }) => ({ pointer, message })),
        cause: error,
      });
    }
  }
}

const jwksFields = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

/** A source's public fields: keys by their names, the rest are texts that the scheme knows. */
const publicFields = z
  .object({
    public_key: z.string(),
    keys: z.record(z.string(), z.string()),
    jwks: jwksFields,
  })
  .partial()
  .catchall(z.string());

function publicSettings(given: Source['config']): Partial<SourceVerifierOptions> {
  const parsed = publicFields.safeParse(given);
  if (!parsed.success) {
    const errors = parsed.error.issues.map((issue) => ({
      pointer: `/config/${issue.path.join('/')}`,
      message: issue.message,
    }));
    throw new Problem('validation_failed', "the source's config has invalid fields", { errors });
  }
  const { public_key: publicKey, keys, jwks, ...config } = parsed.data;
  return {
    config,
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(keys === undefined ? {} : { keys }),
    ...(jwks === undefined ? {} : { jwks }),
  };
}

function toRequest({ method, url, headers, body, nowMs }: IngestRequest) {
  return { method, url, rawHeaders: headers, body, nowMs };
}

function toVerdict(verdict: Verdict): SourceVerdict {
  if (verdict.ok) return verdict;
  // The table's codes are codes of the registry; what it adds one day must not become a pass.
  const code = isProblemCode(verdict.code) ? verdict.code : 'signature_mismatch';
  return { ok: false, reason: verdict.reason, code };
}
