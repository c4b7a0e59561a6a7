import type { KeyRule, MacAlgorithm, MacScheme, Encoding, TokenScheme } from './scheme.ts';

/** Variations of a signature over the bare body. */
interface BodyMacOptions {
  readonly alg?: MacAlgorithm;
  readonly enc?: Encoding;
  readonly prefix?: string;
  readonly key?: KeyRule;
}

/** The commonest scheme: HMAC-SHA256 of the bare body, in hex, in one header. */
export function bodyMac(header: string, options: BodyMacOptions = {}): MacScheme {
  const { alg = 'hmac-sha256', enc = 'hex', prefix, key } = options;
  return {
    kind: 'mac',
    alg,
    sig: { header, enc, ...(prefix === undefined ? {} : { prefix }) },
    content: '{body}',
    ...(key === undefined ? {} : { key }),
  };
}

/**
 * The Standard Webhooks scheme (specification, section "Webhook scheme"), also as Svix writes it.
 * `past` and `future` are seconds; null means that the sender's own SDK has no limit.
 */
export function standardWebhooks(
  family: string,
  options: { key?: KeyRule; past?: number | null; future?: number | null } = {},
): MacScheme {
  const { key = { decode: 'base64', strip: ['whsec_'] }, past = 300, future = 300 } = options;
  return {
    kind: 'mac',
    alg: 'hmac-sha256',
    key,
    sig: { header: `${family}-signature`, list: ' ', kv: ',', pick: 'v1', enc: 'base64' },
    id: `h:${family}-id`,
    ts: { from: `h:${family}-timestamp`, unit: 's', past, future },
    content: '{id}.{ts}.{body}',
  };
}

/** A secret that the sender shows as it is. */
export function shownToken(from: string): TokenScheme {
  return { kind: 'token', from };
}
