import { concatBytes, fromUtf8 } from '../bytes.ts';
import type { Task } from '../operation.ts';
import type { Scheme } from '../scheme.ts';
import { VerifierSettingsError } from '../reasons.ts';
import { selectScheme } from '../select-scheme.ts';
import { runWithWebCrypto } from '../web-crypto.ts';
import { Draft } from './draft.ts';
import { signContent } from './sign-content.ts';
import { customSigners } from './sign-custom.ts';
import type { SignInput, SignedRequest } from './sign-input.ts';
import { signJwt } from './sign-jwt.ts';
import { showToken } from './sign-token.ts';

const dayMs = 86_400_000;

/**
 * Makes the request that a provider would send: the mirror of `verify`, from the same table.
 *
 * Ids, nonces and timestamps that the provider adds are added unless they are given. Where the
 * provider signs inside the body, the body that comes back is not the one that went in.
 *
 * @param provider an id of the provider table, or `hmac`, `token`, `basic` with `verification`.
 * @throws VerifierSettingsError when something needed is missing, such as the secret.
 */
export async function sign(
  provider: string,
  input: SignInput & { readonly verification?: unknown },
): Promise<SignedRequest> {
  return runWithWebCrypto(signTask(provider, input), () => Promise.resolve(undefined));
}

/** The same as a task, for another driver. */
export function* signTask(
  provider: string,
  input: SignInput & { readonly verification?: unknown },
): Task<SignedRequest> {
  const { scheme } = selectScheme(provider, input.verification, input.config);
  if (scheme === undefined) {
    throw new VerifierSettingsError('/verification', `set verification: how ${provider} signs is not known`);
  }
  const nowMs = (input.now?.getTime() ?? Date.now()) - (input.fault === 'timestamp' ? dayMs : 0);
  const draft = new Draft(input.method ?? 'POST', input.url, input.headers ?? [], input.body, nowMs);
  yield* addProof(scheme, draft, input);
  if (input.fault === 'body') tamper(scheme, draft);
  const { method, url, headers, body } = draft;
  return { method, url, headers, body };
}

function* addProof(scheme: Scheme, draft: Draft, input: SignInput): Task<void> {
  switch (scheme.kind) {
    case 'mac':
    case 'digest':
    case 'signature':
      return yield* signContent(scheme, draft, input);
    case 'jwt':
      return yield* signJwt(scheme, draft, input);
    case 'token':
      return showToken(scheme, draft, input);
    case 'custom':
      return yield* customSigners[scheme.fn](draft, input);
    case 'none':
    default:
      return undefined;
  }
}

function tamper(scheme: Scheme, draft: Draft): void {
  if (scheme.kind === 'custom' && scheme.fn === 'sns') {
    // Fields are signed here, not bytes.
    draft.setJson('Message', 'changed after signing');
  } else if (scheme.kind === 'jwt' && scheme.token === 'body') {
    draft.setBody(fromUtf8(draft.body).replace('.', '.e30'));
  } else {
    // A space at the end: still the same JSON, but other bytes.
    draft.body = concatBytes([draft.body, ' ']);
  }
}
