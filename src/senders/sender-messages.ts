import { concatenated, partByPart } from '../domain/byte-parts.ts';
import type { SendResult } from '../domain/outcome.ts';
import type { OutboundRequest, TlsIdentity } from '../ports/sender.ts';
import type { AddressGuardOptions } from './address-guard.ts';

/** With what the sending thread is started. */
export interface SenderThreadOptions {
  readonly guard: Omit<AddressGuardOptions, 'resolve'>;
  readonly proxyUrl?: string;
}

/** A request under its number, which its answer bears. */
export type Numbered = readonly [number: number, request: OutboundRequest];

/** Requests as they cross threads: cloning costs by the object, so bodies lie in one buffer, which changes hands. */
export interface RequestBatch {
  readonly requests: readonly RequestRow[];
  readonly bodies: Uint8Array<ArrayBuffer>;
}

type RequestRow = readonly [
  number: number,
  url: string,
  headers: readonly string[],
  timeoutMs: number,
  tls: TlsIdentity | null,
  bodyBytes: number,
];

export function toBatch(requests: readonly Numbered[]): RequestBatch {
  return {
    requests: requests.map(([number, { url, headers, timeoutMs, tls = null, body }]) => {
      return [number, url, headers, timeoutMs, tls, body.byteLength];
    }),
    bodies: concatenated(requests.map(([, { body }]) => body)),
  };
}

export function fromBatch({ requests, bodies }: RequestBatch): Numbered[] {
  const next = partByPart(bodies);
  return requests.map(([number, url, headers, timeoutMs, tls, bodyBytes]) => {
    const request = { url, headers, timeoutMs, body: next(bodyBytes) };
    return [number, tls === null ? request : { ...request, tls }];
  });
}

export type ResultRow = readonly [
  number: number,
  status: SendResult['status'],
  error: SendResult['error'],
  headers: readonly string[],
  body: string,
  durationMs: number,
];

/** What the thread tells. */
export type ThreadMessage =
  /** It takes requests. */
  | 'ready'
  | readonly ResultRow[]
  /** Sending threw, which it never should. */
  | { readonly failed: number; readonly error: Error };

export function toRow(number: number, { status, error, headers, body, durationMs }: SendResult): ResultRow {
  return [number, status, error, headers, body, durationMs];
}

export function fromRow([, status, error, headers, body, durationMs]: ResultRow): SendResult {
  return { status, error, headers, body, durationMs };
}
