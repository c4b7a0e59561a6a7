import { describe, expect, it } from 'vitest';
import { forwardedHeaders, headerSafe } from './forwarded-headers.ts';

describe('headers of a request that goes out again', () => {
  it('stay as they came: order, case and repeats', () => {
    const headers = ['X-B', '1', 'x-a', '2', 'X-b', '3', 'Stripe-Signature', 't=1,v1=2', 'webhook-id', 'w'];
    expect(forwardedHeaders(headers)).toEqual(headers);
  });

  it('lose what belongs to the connection, also what the connection names', () => {
    const headers = [
      ['Host', 'gateway', 'Connection', 'keep-alive, X-Hop', 'Keep-Alive', 'timeout=5'],
      ['Transfer-Encoding', 'chunked', 'Content-Length', '3', 'Expect', '100-continue'],
      ['x-hop', 'of this connection', 'x-end', 'to the end'],
    ].flat();
    expect(forwardedHeaders(headers)).toEqual(['x-end', 'to the end']);
  });

  it('cannot pose as the gateway', () => {
    expect(forwardedHeaders(['Ringback-Event-Id', 'forged', 'ringback-x', '1', 'ok', '1'])).toEqual([
      'ok',
      '1',
    ]);
  });

  it('get names as text that HTTP allows', () => {
    expect(headerSafe('Grüße\r\nx: y')).toBe('Gr??e??x: y');
  });
});
