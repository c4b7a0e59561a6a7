import { spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deliveryHeaders } from '../support/signed-delivery.ts';
import {
  type AcceptedView,
  createDestination,
  createSource,
  deliveriesOf,
  type DeliveryView,
  type DestinationView,
  ok,
  send,
  type SourceView,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startReceiver } from './receiving.ts';
import { type ExampleProgram, startExample } from './receivers/example-program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RECEIVERS = join(ROOT, 'examples/receivers');
// Not what any JSON library would write: whoever parses it and writes it again breaks the signature.
const BODY = '{ "action": "opened",\n "n": 1.0, "title": "\\u00fc 🙂" }';
const TYPE = 'com.github.issues.opened';

interface Example {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly cwd?: string;
  /** What it says before type and id. */
  readonly says: string;
}

const webModule = 'test/e2e/receivers/serve-web-module.ts';
const node = process.execPath;
const examples: Example[] = [
  { name: 'node:http', command: [node, 'examples/receiver.ts', '0'], says: 'verified:' },
  { name: 'Express', command: [node, 'examples/receivers/express.ts', '0'], says: 'handled' },
  { name: 'Fastify', command: [node, 'examples/receivers/fastify.ts', '0'], says: 'handled' },
  { name: 'Hono', command: [node, 'examples/receivers/hono.ts', '0'], says: 'handled' },
  {
    name: 'Next.js (its route handler, without Next.js)',
    command: [node, webModule, 'examples/receivers/next/app/hook/route.ts'],
    says: 'handled',
  },
  {
    name: 'Cloudflare Workers (its module, without workerd)',
    command: [node, webModule, 'examples/receivers/cloudflare/worker.ts'],
    says: 'handled',
  },
];

const python = spawnSync('python3', ['-c', 'import flask'], { stdio: 'ignore' });
const hasPython = python.error === undefined;
const hasFlask = hasPython && python.status === 0;
if (hasFlask) {
  const cwd = join(RECEIVERS, 'flask');
  examples.push({ name: 'Flask', command: ['python3', 'app.py', '0'], cwd, says: 'handled' });
}

let gateway: GatewayProcess;
let source: SourceView;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-examples-'));
  gateway = await startGatewayProcess();
  source = await createSource(gateway, { provider: 'github', secrets: ['s3cret'] });
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  rmSync(folder, { recursive: true, force: true });
});

function newSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

/** A webhook of GitHub, through the gateway. */
async function ingest(): Promise<string> {
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'issues',
    'x-github-delivery': randomBytes(8).toString('hex'),
    'x-hub-signature-256': `sha256=${createHmac('sha256', 's3cret').update(BODY).digest('hex')}`,
  };
  return (await ok<AcceptedView>(send(source.url, BODY, headers))).id;
}

async function destinationAt(url: string, secret: string): Promise<DestinationView> {
  const destination = await createDestination(gateway, { url, signing: { secret } });
  await subscribe(gateway, { destination_id: destination.id, retry: { max_attempts: 1 } });
  return destination;
}

/** The event's delivery to this destination, once it succeeded; also the one that a replay made. */
function succeeded(eventId: string, destinationId: string, replayed = false): Promise<DeliveryView> {
  return vi.waitFor(
    async () => {
      const delivery = (await deliveriesOf(gateway, eventId)).find(
        (one) => one.destination_id === destinationId && (one.replay_of !== null) === replayed,
      );
      if (delivery?.state !== 'succeeded') throw new Error(`not succeeded: ${JSON.stringify(delivery)}`);
      return ok<DeliveryView>(gateway.api('GET', `/v1/deliveries/${delivery.id}`));
    },
    { timeout: 10_000, interval: 25 },
  );
}

describe.each(examples)('the example for $name', ({ command, cwd = ROOT, says }) => {
  const secret = newSecret();
  let program: ExampleProgram;
  let destination: DestinationView;
  beforeAll(async () => {
    const handledDb = join(folder, `${randomBytes(4).toString('hex')}.db`);
    const env = { SECRET: secret, HANDLED_DB: handledDb, PYTHONDONTWRITEBYTECODE: '1' };
    program = await startExample(command, env, cwd);
    destination = await destinationAt(program.url, secret);
  });
  afterAll(async () => {
    await gateway.api('POST', `/v1/destinations/${destination.id}/disable`);
    await program.stop();
  });
  const handled = (): string[] => program.lines().filter((line) => line.startsWith(says));

  it('handles what Ringback sends, and tells when it comes again', async () => {
    const id = await ingest();
    await program.said(`${says} ${TYPE} ${id}`);
    const first = await succeeded(id, destination.id);
    expect(first.attempts).toMatchObject([{ outcome: 'succeeded', status: 204 }]);

    const filter = { event_ids: [id], destination: destination.id };
    await ok(gateway.api('POST', '/v1/replays', { filter }));
    const { attempts } = await succeeded(id, destination.id, true);
    expect(attempts).toMatchObject([{ status: 200 }]);
    expect(JSON.parse(attempts[0]?.response_body ?? '')).toEqual({ duplicate: true });
    expect(handled().filter((line) => line.includes(id))).toHaveLength(1);
  });

  it('takes the two signatures of a rotation', async () => {
    const rotated = await ok<{ secret: string }>(
      gateway.api('POST', `/v1/destinations/${destination.id}/rotate-secret`),
    );
    expect(rotated.secret).not.toBe(secret);
    const id = await ingest();
    await program.said(`${says} ${TYPE} ${id}`);
  });

  it('refuses what is forged, changed, stale or unsigned', async () => {
    const before = handled().length;
    const good = deliveryHeaders(BODY, { secret });
    const stale = new Date(Date.now() - 360_000);
    const bad: [string, Record<string, string>][] = [
      [BODY, deliveryHeaders(BODY, { secret: newSecret() })],
      [`${BODY} `, good],
      [BODY, deliveryHeaders(BODY, { secret, at: stale })],
      [BODY, { 'content-type': 'application/json' }],
      [BODY, { ...good, 'webhook-signature': 'v1,not-base64!' }],
      [BODY, { ...good, 'webhook-id': 'evt_other' }],
    ];
    const statuses = bad.map(async ([body, headers]) => (await send(program.url, body, headers)).status);
    expect(await Promise.all(statuses)).toEqual([401, 401, 401, 401, 401, 401]);
    expect(handled()).toHaveLength(before);
    expect((await send(program.url, BODY, good)).status).toBe(204);
  });
});

const VERIFY = `
import base64, json, sys
from webhook_signature import Refused, secret_key, verify
asked = json.load(sys.stdin)
def code(body):
    try:
        return verify(asked["headers"], body, [secret_key(one) for one in asked["secrets"]])
    except Refused as refused:
        return refused.code
body = base64.b64decode(asked["body"])
print(json.dumps([code(body), code(body + b" ")]))
`;

describe.runIf(hasPython)('the Python module', () => {
  it('verifies what Ringback sends with the standard library alone', async () => {
    const receiver = await startReceiver();
    const secret = newSecret();
    const destination = await destinationAt(receiver.url, secret);
    const id = await ingest();
    const [received] = await receiver.count(1);
    await gateway.api('POST', `/v1/destinations/${destination.id}/disable`);
    await receiver.close();
    const input = JSON.stringify({
      headers: received?.headers,
      body: received?.body.toString('base64'),
      secrets: [newSecret(), secret],
    });
    const cwd = join(RECEIVERS, 'flask');
    const { stdout, stderr } = spawnSync('python3', ['-B', '-c', VERIFY], { cwd, input, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([id, 'signature_mismatch']);
  });
});

if (!hasPython) {
  it.skip('the Python module verifies (not run: there is no python3 on this machine)');
} else if (!hasFlask) {
  it.skip('the example for Flask receives (not run: python3 has no flask on this machine)');
}
