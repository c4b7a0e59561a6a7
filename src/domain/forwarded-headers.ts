/** What belongs to one connection (RFC 9110, section 7.6.1), or is made anew with each request. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * A request's headers (name, value, name, value, ...) as they may go out again: in their order, with
 * repeats and case kept, so that the sender's own signature still verifies.
 *
 * `ringback-*` goes too: only the gateway says these, whatever a sender wrote.
 */
export function forwardedHeaders(headers: readonly string[]): string[] {
  const dropped = new Set(OF_THE_CONNECTION);
  eachHeader(headers, (name, value) => {
    if (name.toLowerCase() !== 'connection') return;
    for (const named of value.split(',')) dropped.add(named.trim().toLowerCase());
  });
  const kept: string[] = [];
  eachHeader(headers, (name, value) => {
    const lower = name.toLowerCase();
    if (!dropped.has(lower) && !lower.startsWith('ringback-')) kept.push(name, value);
  });
  return kept;
}

function eachHeader(headers: readonly string[], visit: (name: string, value: string) => void): void {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    visit(headers[index] ?? '', headers[index + 1] ?? '');
  }
}

/** A name as a header value: what HTTP does not allow there becomes `?`. */
export function headerSafe(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}
