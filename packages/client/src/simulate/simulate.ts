import { concatBytes, fromUtf8, utf8 } from '../verify/bytes.ts';
import { isRecord } from '../verify/reference.ts';
import type { SignInput, SignedRequest } from '../verify/sign/sign-input.ts';
import { sign } from '../verify/sign/sign.ts';
import type { FreshValues } from './fresh-values.ts';
import type { ProviderPayloads, UnsignedRequest } from './payload.ts';
import { writePayload } from './payload.ts';

/** What signs a simulated request. */
export type SimulationKeys = Pick<SignInput, 'secrets' | 'privateKey' | 'keyId'> & {
  readonly config: Readonly<Record<string, string | undefined>>;
  /** The scheme, where the table has none for the provider. */
  readonly verification?: unknown;
};

/** One event to simulate. */
export interface SimulatedEvent extends Pick<SignInput, 'now' | 'fault'> {
  readonly payloads: ProviderPayloads;
  readonly type: string;
  readonly url: string;
  readonly keys: SimulationKeys;
  readonly eventSeed: string;
  /** Events with the same one are about the same object: they have the same key. */
  readonly objectSeed: string;
  /** Default: now. */
  readonly timeMs?: number;
  /** From 1. */
  readonly sequence?: number;
  /** A body instead of the one that the payloads have; the headers stay theirs. */
  readonly data?: Uint8Array;
  /** Fills the body up to this many bytes, before it is signed. */
  readonly padToBytes?: number;
}

/** Makes the request that the provider would send for the event: written, then really signed. */
export async function simulate(event: SimulatedEvent): Promise<SignedRequest> {
  const { payloads, type, url, keys, now = new Date(), fault } = event;
  const values: FreshValues = {
    eventSeed: event.eventSeed,
    objectSeed: event.objectSeed,
    timeMs: event.timeMs ?? now.getTime(),
    type,
    sequence: event.sequence ?? 1,
    url,
    config: keys.config,
  };
  const written = writePayload(payloads, values);
  const whole = event.data === undefined ? written : { ...written, body: event.data };
  const { headers, body } = padded(whole, event.padToBytes ?? 0);
  return sign(payloads.id, { ...keys, headers, body, url, now, ...(fault === undefined ? {} : { fault }) });
}

function padded({ headers, body }: UnsignedRequest, toBytes: number): UnsignedRequest {
  if (toBytes <= body.length) return { headers, body };
  const filling = (length: number): string => 'x'.repeat(Math.max(0, toBytes - length));
  const media = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  if (media.includes('form-urlencoded'))
    return { headers, body: concatBytes([body, `&padding=${filling(body.length)}`]) };
  const json = parsed(body);
  // Space at the end of JSON would be lost where a sender signs by writing into the body.
  if (isRecord(json)) {
    const bare = utf8(JSON.stringify(json));
    return { headers, body: utf8(JSON.stringify({ ...json, padding: filling(bare.length) })) };
  }
  return { headers, body: concatBytes([body, ' '.repeat(toBytes - body.length)]) };
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body));
  } catch {
    return undefined;
  }
}
