import type { SignedRequest } from '../../app/simulation.ts';
import type { Manner } from './send-request.ts';
import { wireHeaders } from './send-request.ts';

const decoder = new TextDecoder();

/** A command that sends the request when it is pasted into a shell. */
export function curlText(request: SignedRequest): string {
  const lines = [`curl -sS -X ${request.method} ${quoted(request.url)}`];
  for (const [name, value] of request.headers) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  // `--data-binary` alone would add a content type of its own.
  if (!request.headers.some(([name]) => name.toLowerCase() === 'content-type'))
    lines.push("-H 'content-type;'");
  if (request.body.length > 0) lines.push(`--data-binary ${quoted(decoder.decode(request.body))}`);
  return lines.join(' \\\n  ');
}

/** The request as it goes over the wire. */
export function httpText(request: SignedRequest, manner: Manner): string {
  const url = new URL(request.url);
  const flat = wireHeaders(request, manner, url);
  const headers = flat.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${flat[index + 1] ?? ''}`] : [],
  );
  return [
    `${request.method} ${url.pathname}${url.search} HTTP/1.1`,
    ...headers,
    '',
    decoder.decode(request.body),
  ].join('\n');
}

// In single quotes a shell leaves everything alone but the single quote itself.
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
