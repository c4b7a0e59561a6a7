import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { providers } from '../../packages/client/src/verify/provider-table.ts';
import type { MacScheme } from '../../packages/client/src/verify/scheme.ts';
import { createSourceVerifier } from './verifier.ts';

// An independent signer for the mac schemes whose content is the body with a header or label
// before or after it. It knows nothing of the interpreter: it is the naive reading of the scheme.
const nowMs = 1_795_262_400_000;
const secret = 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3';

const stamps: Record<NonNullable<MacScheme['ts']>['unit'], string> = {
  s: '1795262399',
  ms: '1795262399000',
  iso: '2026-11-21T11:59:59Z',
  'http-date': 'Sat, 21 Nov 2026 11:59:59 GMT',
};

const simple = Object.entries(providers).flatMap(([id, { scheme }]) => {
  if (scheme?.kind !== 'mac' || scheme.sig.header === undefined) return [];
  const { groups, positional, pickConfig } = scheme.sig;
  if (groups !== undefined || positional === true || pickConfig !== undefined) return [];
  if (scheme.key?.derive !== undefined || (scheme.ts?.from.startsWith('json:') ?? false)) return [];
  return /\{form|jsonstr|cfg:|json:/.test(scheme.content) || scheme.require !== undefined
    ? []
    : [{ id, scheme }];
});

function keyOf(scheme: MacScheme): { text: string; bytes: Buffer } {
  const { decode = 'utf8', suffix = '', stripPattern } = scheme.key ?? {};
  if (stripPattern !== undefined) return { text: `signkey-prod-${secret}`, bytes: Buffer.from(secret) };
  if (decode === 'hex') return { text: '00ff10', bytes: Buffer.from('00ff10', 'hex') };
  if (decode === 'base64') return { text: secret, bytes: Buffer.from(secret, 'base64') };
  return { text: secret, bytes: Buffer.from(secret + suffix) };
}

function written(scheme: MacScheme, mac: string, stamp: string): string {
  const { prefix = '', kv, pick = '', list = '' } = scheme.sig;
  if (kv === undefined) return prefix + mac;
  const from = scheme.ts?.from ?? '';
  const head = from.startsWith('sig:') ? `${from.slice(4)}${kv}${stamp}${list}` : '';
  return `${head}${pick}${kv}${prefix}${mac}`;
}

function sign(scheme: MacScheme, body: Uint8Array): { secret: string; headers: string[] } {
  const { text, bytes } = keyOf(scheme);
  const stamp = scheme.ts === undefined ? '' : stamps[scheme.ts.unit];
  const named = [...scheme.content.matchAll(/\{h:([^}]+)\}/g)].flatMap(([, name = '']) => [name, 'value']);
  const headers = [...named, ...(scheme.id === undefined ? [] : [scheme.id.slice(2), 'msg_1'])];
  if (scheme.ts?.from.startsWith('h:') === true) headers.push(scheme.ts.from.slice(2), stamp);
  const [before = '', after = ''] = scheme.content
    .replaceAll('{ts}', stamp)
    .replaceAll('{id}', 'msg_1')
    .replaceAll('{method}', 'POST')
    .replaceAll('{url}', 'https://hooks.example.com/in/abc')
    .replaceAll(/\{h:([^}]+)\}/g, 'value')
    .split('{body}');
  const mac = createHmac(scheme.alg.slice(5), bytes).update(before).update(body).update(after);
  headers.push(scheme.sig.header ?? '', written(scheme, mac.digest(scheme.sig.enc ?? 'hex'), stamp));
  return { secret: text, headers };
}

describe('every mac scheme over the body', () => {
  test('there are many of them', () => {
    expect(simple.length).toBeGreaterThan(90);
  });

  test.each(simple)('$id: a signed body verifies, one flipped bit does not', ({ id, scheme }) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (body, flip) => {
        const signed = sign(scheme, body);
        const verifier = createSourceVerifier({ provider: id, secrets: [signed.secret] });
        const request = {
          method: 'POST',
          url: 'https://hooks.example.com/in/abc',
          headers: signed.headers,
          body,
          nowMs,
        };
        expect(verifier.verify(request)).toMatchObject({ ok: true, covers: 'body', secretIndex: 0 });
        const bit = flip % (body.length * 8);
        const changed = Uint8Array.from(body, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        expect(verifier.verify({ ...request, body: changed })).toMatchObject({ reason: 'bad_signature' });
      }),
      { numRuns: 25 },
    );
  });
});
