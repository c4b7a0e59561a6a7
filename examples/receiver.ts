// A receiver of webhooks in one file: verifies each request as Standard Webhooks 1.0.0 says, prints it and
// answers 204. It needs nothing but Node.js. In your own code use any Standard Webhooks library instead.
//
//   SECRET=whsec_... node examples/receiver.ts [PORT]

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';

const secret = Buffer.from((process.env['SECRET'] ?? '').replace(/^whsec_/, ''), 'base64');
const port = Number(process.argv[2] ?? 3000);
const TOLERANCE_S = 300;

// What was handled before. Ringback delivers at least once, so each receiver needs some memory of ids.
const seen = new Set<string>();

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Why the request is not from the gateway, or `null` when it is. */
function refusal(headers: IncomingHttpHeaders, body: Buffer): string | null {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name] ?? ''),
  );
  if (!id || !timestamp || !signatures) return 'unsigned';
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return 'too old';
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest();
  // Several signatures, separated by spaces, while a secret is being rotated: one must fit.
  const fits = signatures
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice(3), 'base64'))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
  return fits ? null : 'wrong signature';
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const why = refusal(request.headers, body);
    const id = String(request.headers['webhook-id']);
    const type = String(request.headers['ringback-event-type']);
    const attempt = String(request.headers['ringback-attempt']);
    if (why !== null) {
      print(`refused: ${why}`);
      response.writeHead(401).end();
      return;
    }
    const again = seen.has(id) ? ' (seen before: a real receiver would do nothing)' : '';
    seen.add(id);
    print(`verified: ${type} ${id}, attempt ${attempt}${again}: ${body.toString('utf8').slice(0, 200)}`);
    response.writeHead(204).end();
  });
});

if (secret.length === 0) {
  process.stderr.write('set SECRET to the signing secret of the destination, whsec_...\n');
  process.exitCode = 1;
} else {
  server.listen(port, '127.0.0.1', () => print(`receiver listens on http://127.0.0.1:${port}/hook`));
}
