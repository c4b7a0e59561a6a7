import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import { createSource, ok, publish, send } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type LongCommand, startBadLine, startCommand } from './listening.ts';
import { type Receiver, startReceiver } from './receiving.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'ringback-listen-'));
  cleanUps.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function gatewayIn(
  dataDir: string,
  port = '0',
  env: Record<string, string> = {},
): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ dataDir, args: ['--port', port], env });
  cleanUps.push(() => gateway.stop());
  return gateway;
}

async function receiver(): Promise<Receiver> {
  const made = await startReceiver();
  cleanUps.push(() => made.close());
  return made;
}

interface Listening {
  readonly dataDir: string;
  readonly url: string;
}

function listenTo({ dataDir, url }: Listening, ...args: string[]): LongCommand {
  const env = { RINGBACK_DATA_DIR: dataDir, RINGBACK_URL: url };
  const command = startCommand(['listen', ...args], { cwd: dataDir, env });
  cleanUps.push(() => command.kill());
  return command;
}

/** The ids that our header names, in order of arrival. */
function idsOf(local: Receiver): string[] {
  return local.received.map((one) => String(one.headers['ringback-event-id']));
}

// Several processes each: on a busy machine a test takes many times what it takes alone.
describe('ringback listen', { timeout: 60_000 }, () => {
  it('brings body and headers as they came, so that the signature still verifies', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const source = await createSource(gateway, { name: 'gh', provider: 'github', secrets: ['s3cret'] });
    const command = listenTo(gateway, '--forward', local.url, '--source', 'gh');
    await command.says(/listening at .*: gh, from now on/);

    const body = '{ "action":"opened",  "odd": 1.0 }';
    const signature = `sha256=${createHmac('sha256', 's3cret').update(body).digest('hex')}`;
    await send(`${source.url}/below?x=1`, body, {
      'content-type': 'application/json',
      'x-github-event': 'issues',
      'x-github-delivery': 'd-1',
      'x-hub-signature-256': signature,
      'ringback-event-id': 'forged',
    });
    await publish(gateway, { type: 'not.of.this.source' });
    const [request] = await local.count(1);
    expect(request?.body.toString()).toBe(body);
    expect(request).toMatchObject({ method: 'POST', path: '/hook/below?x=1' });
    expect(request?.headers).toMatchObject({
      'x-hub-signature-256': signature,
      'x-github-delivery': 'd-1',
      'ringback-event-type': 'com.github.issues.opened',
      'ringback-source': 'gh',
      'ringback-attempt': '1',
    });
    const id = request?.headers['webhook-id'];
    expect(id).toMatch(/^evt_/);
    expect(request?.headers['ringback-event-id']).toBe(id);
    await command.says(new RegExp(`${String(id)} {2}com.github.issues.opened {2}from gh .* 200 `));
    expect(await command.interrupt()).toBe(0);
    expect(command.text()).toContain('ended: 1 forwarded');
    expect(local.received).toHaveLength(1);
  });

  it('brings binary bodies byte for byte, small ones and large ones', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const source = await createSource(gateway, { provider: 'none' });
    const command = listenTo(gateway, '--forward', local.url);
    await command.says(/listening at/);
    const random = new SeededRandomness();
    const bodies = [0, 1, 65_535, 65_536, 65_537, 1_000_000].map((size) => Buffer.from(random.bytes(size)));
    for (const body of bodies) {
      await send(source.url, body, { 'content-type': 'application/octet-stream' });
    }
    const received = await local.count(bodies.length);
    expect(received.map((one) => one.body.equals(bodies[received.indexOf(one)] ?? Buffer.of(1)))).toEqual(
      bodies.map(() => true),
    );
  });

  it('catches up on exactly what came while it was away, also over a restart of the gateway', async () => {
    const dataDir = folder();
    let gateway = await gatewayIn(dataDir);
    const { url } = gateway;
    const local = await receiver();
    const forward = ['--forward', local.url];
    await publish(gateway, { type: 'before.the.first.run' });
    let command = listenTo(gateway, ...forward);
    await command.says(/from now on/);
    const first = await publish(gateway, { type: 'a' });
    await local.count(1);
    await command.says(/1 forwarded|200/);
    await command.interrupt();

    const missed = [await publish(gateway, { type: 'b' }), await publish(gateway, { type: 'c' })];
    command = listenTo(gateway, ...forward);
    await command.says(/from where the last run ended/);
    await local.count(3);

    await gateway.stop();
    await command.says(/lost the connection \(.*\); trying again/);
    gateway = await gatewayIn(dataDir, new URL(url).port);
    const late = await publish(gateway, { type: 'd' });
    await command.says(/connected again/);
    await local.count(4);
    expect(idsOf(local)).toEqual([first, ...missed, late].map(({ id }) => id));

    const [file = ''] = readdirSync(join(dataDir, 'listen')).filter((name) => name.endsWith('.json'));
    expect(statSync(join(dataDir, 'listen', file)).mode & 0o777).toBe(0o600);
  });

  it('notices a line that is dead without a word, and comes back', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const line = await startBadLine(Number(new URL(gateway.url).port));
    cleanUps.push(() => line.close());
    const command = listenTo({ dataDir, url: line.url }, '--forward', local.url, '--read-timeout', '2s');
    await command.says(/listening at/);
    line.silence();
    const lost = await publish(gateway, { type: 'said.into.the.dead.line' });
    await command.says(/lost the connection \(nothing came for 2 s\)/);
    await command.says(/connected again/);
    await local.count(1);
    expect(idsOf(local)).toEqual([lost.id]);
  });

  it('ends with an error when its key is revoked, before another event goes out', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const key = await ok<{ id: string; key: string }>(
      gateway.api('POST', '/v1/keys', { name: 'listener', scopes: ['read'] }),
    );
    const command = startCommand(['listen', '--forward', local.url, '--read-timeout', '3s'], {
      cwd: dataDir,
      env: { RINGBACK_API_KEY: key.key, RINGBACK_URL: gateway.url, XDG_CONFIG_HOME: folder() },
    });
    cleanUps.push(() => command.kill());
    await command.says(/listening at/);
    await gateway.api('DELETE', `/v1/keys/${key.id}`);
    await publish(gateway, { type: 'too.late' });
    expect(await command.ended()).toBe(1);
    expect(command.text()).toMatch(/error: credentials_invalid: .*revoked or has expired/);
    expect(local.received).toEqual([]);
    expect(command.text()).not.toContain(key.key);
  });

  it('says so loudly when retention has passed its place', async () => {
    const dataDir = folder();
    // Any store is larger than that, so the first sweep takes every event.
    const env = { RINGBACK_RETENTION_SIZE: '1B' };
    let gateway = await gatewayIn(dataDir);
    const { port } = new URL(gateway.url);
    const local = await receiver();
    // The gateway tells of its sweep with an event of its own, which is not the matter here.
    const args = ['--forward', local.url, '--source', 'api'];
    await publish(gateway, { type: 'before' });
    let command = listenTo(gateway, ...args);
    await command.says(/listening at/);
    await command.interrupt();
    const gone = await publish(gateway, { type: 'gone' });
    await gateway.stop();

    gateway = await gatewayIn(dataDir, port, env);
    await vi.waitFor(
      async () => {
        const { status } = await gateway.api('GET', `/v1/events/${gone.id}`);
        expect(status).toBe(404);
      },
      { timeout: 15_000, interval: 100 },
    );
    command = listenTo(gateway, ...args, '--json');
    await command.says(/GAP: events after .* may be missing: retention removed them/);
    await command.says(/"outcome":"gap"/);
    const next = await publish(gateway, { type: 'next' });
    await local.count(1);
    expect(idsOf(local)).toEqual([next.id]);
  });

  it('holds everything, in order, while the program is down, and says so once', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const command = listenTo(gateway, '--forward', `http://127.0.0.1:${await freePort()}/hook`);
    await command.says(/listening at/);
    const ids: string[] = [];
    for (let made = 0; made < 20; made += 1) ids.push((await publish(gateway, { type: `t.n${made}` })).id);
    await command.says(/cannot be reached \(ECONNREFUSED\): evt_\w+ waits/);
    const port = Number(/127\.0\.0\.1:(\d+)\/hook cannot/.exec(command.text())?.[1]);
    const local = createServer();
    const came: string[] = [];
    local.on('request', (request, response) => {
      came.push(String(request.headers['ringback-event-id']));
      // The program is still warming up: the first answer is no success.
      response.writeHead(came.length === 1 ? 503 : 200).end('warming up');
    });
    await new Promise<void>((resolve) => local.listen(port, '127.0.0.1', resolve));
    cleanUps.push(() => {
      local.closeAllConnections();
      return new Promise((resolve) => local.close(resolve));
    });
    await command.says(/answers again after/);
    await vi.waitFor(() => expect(came).toHaveLength(21), { timeout: 15_000, interval: 20 });
    expect(came).toEqual([ids[0], ...ids]);
    expect(command.text().match(/cannot be reached/g)).toHaveLength(1);
    expect(command.text()).toContain(`answered ${ids[0]} with 503: warming up; trying again in order`);
  });

  it('goes on without what failed, when asked to', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    local.answer = ({ headers }, response) =>
      response.writeHead(headers['ringback-event-type'] === 'bad' ? 500 : 200).end();
    const command = listenTo(gateway, '--forward', local.url, '--skip-failed', '2', '--json');
    await command.says(/listening at/);
    const bad = await publish(gateway, { type: 'bad' });
    const good = await publish(gateway, { type: 'good' });
    await local.count(3);
    expect(idsOf(local)).toEqual([bad.id, bad.id, good.id]);
    await command.says(/forwarded/);
    const outcomes = command
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(outcomes).toMatchObject([
      { outcome: 'skipped', id: bad.id, status: 500, attempts: 2 },
      { outcome: 'forwarded', id: good.id, status: 200, attempts: 1 },
    ]);
  });

  it('gives two listeners every event each, and refuses a second of the same name', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const [one, other] = [await receiver(), await receiver()];
    const first = listenTo(gateway, '--forward', one.url);
    const second = listenTo(gateway, '--forward', other.url, '--filter', 'data.amount > 1.0');
    await Promise.all([first.says(/listening at/), second.says(/listening at/)]);
    const third = listenTo(gateway, '--forward', one.url);
    expect(await third.ended()).toBe(1);
    expect(third.text()).toMatch(/a listener of this name .* runs already[\s\S]*--name NAME/);

    const small = await publish(gateway, { type: 'a', data: { amount: 1 } });
    const large = await publish(gateway, { type: 'a', data: { amount: 2 } });
    await Promise.all([one.count(2), other.count(1)]);
    expect(idsOf(one)).toEqual([small.id, large.id]);
    expect(idsOf(other)).toEqual([large.id]);
  });

  it('begins with the last few, and then waits for a source that is made later', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const past = [];
    for (const type of ['a', 'b', 'c']) past.push(await publish(gateway, { type }));
    const args = ['--forward', local.url, '--replay-last', '2', '--source', 'api', '--source', 'later'];
    const command = listenTo(gateway, ...args);
    await command.says(/no source is called later yet/);
    await local.count(2);
    const source = await createSource(gateway, { name: 'later', provider: 'none' });
    await send(source.url, 'x');
    await local.count(3);
    expect(idsOf(local).slice(0, 2)).toEqual([past[1]?.id, past[2]?.id]);
    expect(local.received[2]?.headers['ringback-source']).toBe('later');
  });

  it('signs as deliveries are signed, when given a secret', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const local = await receiver();
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const command = listenTo(gateway, '--forward', local.url, '--secret', secret);
    await command.says(/listening at/);
    await publish(gateway, { type: 'signed' });
    const [request] = await local.count(1);
    const { Webhook } = await import('standardwebhooks');
    const headers = request?.headers as Record<string, string>;
    expect(() => new Webhook(secret).verify(request?.body.toString() ?? '', headers)).not.toThrow();
    expect(command.text()).not.toContain(secret);
  });

  it('says what is wrong with its options and its filter', async () => {
    const dataDir = folder();
    const gateway = await gatewayIn(dataDir);
    const cases: [string[], number, RegExp][] = [
      [[], 2, /say where events go/],
      [['--forward', 'ftp://x'], 2, /--forward must be an http or https URL/],
      [['--forward', '3000', '--secret', 'short'], 2, /--secret must start with whsec_/],
      [['--forward', '3000', '--replay-last', '-1'], 2, /whole number from 0/],
      [['--print', '--filter', 'data.a >'], 1, /filter_invalid/],
    ];
    for (const [args, code, said] of cases) {
      const command = listenTo(gateway, ...args);
      expect(await command.ended(), args.join(' ')).toBe(code);
      expect(command.text()).toMatch(said);
    }
    expect(readdirSync(join(dataDir, 'listen')).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});

describe('ringback listen under random cuts', () => {
  it('brings 2,000 events once each, in order', { timeout: 120_000 }, async () => {
    const dataDir = folder();
    let gateway = await gatewayIn(dataDir);
    const { port } = new URL(gateway.url);
    const line = await startBadLine(Number(port));
    cleanUps.push(() => line.close());
    const local = await receiver();
    const args = ['--forward', local.url, '--read-timeout', '2s'];
    let command = listenTo({ dataDir, url: line.url }, ...args);
    await command.says(/listening at/);

    const dice = new SeededRandomness();
    const roll = (sides: number): number => (dice.bytes(1)[0] ?? 0) % sides;
    const total = 2_000;
    const sent: string[] = [];
    while (sent.length < total) {
      const events = Array.from({ length: 50 }, (_, index) => ({
        type: 'n',
        data: { number: sent.length + index, filling: 'x'.repeat(roll(250) * 40) },
      }));
      const { data } = await ok<{ data: { id: string }[] }>(
        gateway.api('POST', '/v1/events/batch', { events }),
      );
      sent.push(...data.map(({ id }) => id));
      const enough = Math.min(sent.length, local.received.length + roll(60));
      await local.count(enough, 30_000);
      const what = roll(6);
      if (what <= 1) line.cut();
      else if (what === 2) line.silence();
      else if (what === 3 && sent.length % 400 === 0) {
        await gateway.kill();
        gateway = await gatewayIn(dataDir, port);
      } else if (what === 4) {
        await command.interrupt();
        command = listenTo({ dataDir, url: line.url }, ...args);
      }
    }
    await local.count(total, 60_000);
    expect(idsOf(local)).toEqual(sent);
    expect(line.connections()).toBeGreaterThan(10);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
