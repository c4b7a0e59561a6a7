import type { Covers, Scheme } from './scheme.ts';

/** What the proof of a scheme protects, as a verifier with that scheme will say. */
export function schemeCovers(scheme: Scheme): Covers {
  if ('covers' in scheme && scheme.covers !== undefined) return scheme.covers;
  if (scheme.kind === 'jwt')
    return scheme.bodyHash !== undefined || scheme.token === 'body' ? 'body' : 'nothing';
  if (!('content' in scheme)) return 'nothing';
  return /\{(?:body|form)[|}]/.test(scheme.content) ? 'body' : 'metadata';
}
