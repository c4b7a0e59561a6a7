import { decodeText, equalBytes } from '../bytes.ts';
import { decodeKeys } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { checkSignature, digest } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { checkTolerance, parseInstant } from '../timestamp.ts';

/** MailChannels: HTTP message signatures (RFC 9421) over `content-digest` (RFC 9530), Ed25519. */
export function prepareMailchannels(credentials: Credentials): PreparedScheme {
  const keys = decodeKeys(credentials.keys);
  function* check(view: RequestView): Task<Proof> {
    const input = view.header('signature-input');
    const written = view.header('signature');
    const contentDigest = view.header('content-digest');
    if (input === undefined || written === undefined || contentDigest === undefined)
      throw refuse('missing_header');
    const { label, params, created, keyid, alg } = parseInput(input);
    if (alg !== undefined && alg !== 'ed25519') throw refuse('alg_not_allowed');
    const signature = readBytes(written, label);
    if (signature?.length !== 64) throw refuse('malformed_signature');
    const instant = parseInstant(created, 's');
    if (instant === undefined) throw refuse('malformed_timestamp');
    const key = keys.get(keyid);
    if (key === undefined) throw refuse('unknown_key');
    const base = `"content-digest": ${contentDigest}\n"@signature-params": ${params}`;
    if (!(yield* checkSignature('ed25519', key, signature, [base]))) throw refuse('bad_signature');
    checkTolerance(instant, { from: '', unit: 's', past: 300, future: 300 }, view.nowMs);
    const given = readBytes(contentDigest, 'sha-256');
    if (given === undefined || !equalBytes(given, yield* digest('sha256', [view.body]))) {
      throw refuse('body_hash_mismatch');
    }
    return { covers: 'body' };
  }
  return { sharedToken: false, check };
}

function parseInput(input: string) {
  const match = /^([\w.*-]+)=(\("content-digest"\)(.*))$/.exec(input.trim());
  const [, label, params, rest] = match ?? [];
  if (label === undefined || params === undefined || rest === undefined) throw refuse('malformed_signature');
  const keyid = /;keyid="([^"]*)"/.exec(rest)?.[1];
  const created = /;created=([^;]*)/.exec(rest)?.[1];
  const alg = /;alg="([^"]*)"/.exec(rest)?.[1];
  if (keyid === undefined) throw refuse('malformed_signature');
  if (created === undefined) throw refuse('missing_timestamp');
  return { label, params, created, keyid, alg };
}

// One member of a structured field dictionary whose value is a byte sequence: `label=:base64:`.
function readBytes(text: string, label: string): Uint8Array | undefined {
  for (const member of text.split(',')) {
    const trimmed = member.trim();
    if (!trimmed.startsWith(`${label}=:`) || !trimmed.endsWith(':')) continue;
    return decodeText(trimmed.slice(label.length + 2, -1), 'base64');
  }
  return undefined;
}
