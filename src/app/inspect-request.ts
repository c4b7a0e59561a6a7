import { createVerifiers } from '../verifiers/verifiers.ts';
import type { Source } from '../domain/settings.ts';
import type { IngestRequest, SourceVerdict, SourceVerifier } from '../ports/verifier.ts';
import { AddressGuard } from '../senders/address-guard.ts';
import { guardedFetch } from '../senders/guarded-fetch.ts';
import { Problem } from '../domain/problem.ts';

/** What a request is to be proven with. */
export interface GivenProof {
  readonly provider: string;
  readonly secrets: readonly string[];
  /** The provider's public fields, see docs/providers.md. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** What the verifiers think of a request. */
export interface Inspection {
  /** Providers whose proof is where they put it, likeliest first. */
  readonly looksLike: readonly string[];
  /** Providers that ask with such a request whether the URL is ours; it would be no event. */
  readonly handshakeOf: readonly string[];
  /** Of the provider that was given; `null` = none was. */
  readonly verdict: SourceVerdict | null;
}

/** Looks at requests without a gateway: nothing is kept, and no secret leaves the process. */
export interface RequestInspector {
  inspect(request: IngestRequest): Promise<Inspection>;
}

/** The proof is not where the provider puts it: then it is not that provider's request. */
const ABSENT = new Set([
  'missing_header',
  'missing_field',
  'missing_credentials',
  'missing_claim',
  'missing_timestamp',
  'scheme_unknown',
  'secret_pending',
  // The body, or what should be a signature there, is of another make altogether.
  'malformed_body',
  'malformed_credentials',
]);

/**
 * Takes the given proof, if any. Throws a `Problem` (`validation_failed`) when it cannot be used: an
 * unknown provider, a secret that does not decode.
 */
export function requestInspector(given: GivenProof | null): RequestInspector {
  const verifiers = createVerifiers({
    // Key documents are fetched from where the provider has them, and from nowhere inside this network.
    fetch: guardedFetch({
      addressGuard: new AddressGuard({ allowPrivate: [], allowHosts: [], denyHosts: [], allowHttp: false }),
    }),
  });
  const chosen = given === null ? null : verifiers.compile(sourceOf(given), given.secrets);
  const candidates = candidateVerifiers();
  return {
    inspect: async (request) => ({
      looksLike: looksLike(candidates, request),
      handshakeOf: await handshakesIn(candidates, request),
      verdict: chosen === null ? null : await chosen.verify(request),
    }),
  };
}

type Candidates = ReadonlyMap<string, SourceVerifier>;

const GENERIC = new Set(['hmac', 'token', 'basic', 'none']);

/** Any secret will do to find out whether there is something to check; nothing is fetched for it. */
function candidateVerifiers(): Candidates {
  const verifiers = createVerifiers({
    fetch: () => Promise.reject(new Error('guessing fetches nothing')),
  });
  const found = new Map<string, SourceVerifier>();
  for (const provider of verifiers.providers()) {
    if (GENERIC.has(provider)) continue;
    for (const secret of TRIAL_SECRETS) {
      try {
        found.set(provider, verifiers.compile(sourceOf({ provider, config: {} }), [secret]));
        break;
      } catch (error) {
        // It wants another form of secret, or a public key, which a guess does not have.
        if (!(error instanceof Problem)) throw error;
      }
    }
  }
  return found;
}

const KEY_BYTES = Buffer.alloc(32, 1);
const TRIAL_SECRETS: readonly string[] = [
  'trial-secret-of-some-length-000000',
  `whsec_${KEY_BYTES.toString('base64')}`,
  KEY_BYTES.toString('base64'),
  KEY_BYTES.toString('hex'),
  'user:password',
];

function looksLike(candidates: Candidates, request: IngestRequest): string[] {
  const scores: { readonly provider: string; readonly score: number }[] = [];
  for (const [provider, verifier] of candidates) {
    const verdict = verifier.verify(request);
    if (verdict instanceof Promise) {
      verdict.catch(() => undefined);
      continue;
    }
    if (!verdict.ok && ABSENT.has(verdict.reason)) continue;
    scores.push({ provider, score: mentions(request, provider) });
  }
  const best = Math.max(0, ...scores.map(({ score }) => score));
  // Many sign alike, in a header of the same name: one that the request speaks of is meant.
  return scores
    .filter(({ score }) => best === 0 || score > 0)
    .toSorted((left, right) => right.score - left.score)
    .map(({ provider }) => provider);
}

/** How many headers speak of the provider by name. */
function mentions(request: IngestRequest, provider: string): number {
  const [name = ''] = provider.toLowerCase().split(/[_-]/);
  if (name.length < 3) return 0;
  return request.headers.filter((text) => text.toLowerCase().includes(name)).length;
}

async function handshakesIn(candidates: Candidates, request: IngestRequest): Promise<string[]> {
  const found: string[] = [];
  for (const [provider, verifier] of candidates) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- nearly all of them answer at once
      if ((await verifier.handshake(request)) !== undefined) found.push(provider);
    } catch {
      // A question that cannot be answered without the provider's own settings is none that we can tell.
    }
  }
  return found;
}

/** A source that exists nowhere, for what a verifier reads of one. */
function sourceOf({ provider, config }: Pick<GivenProof, 'provider' | 'config'>): Source {
  return {
    id: 'src_inspected',
    tenant: 'default',
    name: provider,
    createdAt: 0,
    updatedAt: 0,
    provider: provider === 'standard-webhooks' ? 'standardwebhooks' : provider,
    ingestKey: '',
    enabled: true,
    secrets: [],
    config,
    verification: null,
    dedupe: { key: null, windowMs: 0 },
    allowedIps: [],
    contentTypes: [],
    maxBodyBytes: 0,
    schema: null,
    onInvalid: 'reject',
    rateLimit: null,
  };
}
