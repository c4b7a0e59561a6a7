import { decodeText } from '../bytes.ts';
import { decodeSecrets } from '../key-material.ts';
import type { HashName, Task } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { VerifierSettingsError, refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { matchSecret } from './match-secret.ts';

/** The hashes that a hub may choose (WebSub section 8.1), with the length of each in bytes. */
const hashes: Readonly<Record<string, readonly [HashName, number]>> = {
  sha1: ['sha1', 20],
  sha256: ['sha256', 32],
  sha384: ['sha384', 48],
  sha512: ['sha512', 64],
};

/**
 * WebSub: an HMAC of the body whose hash the hub chooses and names in the header. The topic must be
 * known, because a hub asks whether we meant to subscribe to it, and anybody can make it ask.
 */
export function prepareWebsub(credentials: Credentials): PreparedScheme {
  if ((credentials.config?.['topic'] ?? '') === '') {
    throw new VerifierSettingsError(
      '/config/topic',
      'set topic: the URL that you subscribe to, exactly as you tell it to the hub',
    );
  }
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-hub-signature');
    if (written === undefined) throw refuse('missing_header');
    const equals = written.indexOf('=');
    if (equals < 0) throw refuse('malformed_signature');
    const name = written.slice(0, equals).toLowerCase();
    const known = Object.hasOwn(hashes, name) ? hashes[name] : undefined;
    if (known === undefined) throw refuse('alg_not_allowed');
    const [hash, bytes] = known;
    const signature = decodeText(written.slice(equals + 1), 'hex');
    if (signature?.length !== bytes) throw refuse('malformed_signature');
    const secretIndex = yield* matchSecret(hash, keys, [signature], [[view.body]]);
    return { covers: 'body', secretIndex };
  }
  return { sharedToken: false, check };
}
