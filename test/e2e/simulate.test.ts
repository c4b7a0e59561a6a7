import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSource, type EventView, type ListView, ok, type SourceView } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type CliRun, runCli } from './run-cli.ts';

/** What `simulate --json` says of one request. */
interface Outcome {
  readonly status: number | null;
  readonly code: string | null;
  readonly event_id: string | null;
  readonly duplicate: boolean;
  readonly expected: string;
  readonly as_expected: boolean;
  readonly type: string;
}

function outcomes({ stdout }: CliRun): Outcome[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}

describe('ringback simulate, against a gateway', () => {
  let gateway: GatewayProcess;
  let folder = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringback-simulate-'));
    gateway = await startGatewayProcess();
  }, 60_000);

  afterAll(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const simulate = (...args: string[]): Promise<CliRun> =>
    runCli(['simulate', ...args, '--url', gateway.url, '--data-dir', gateway.dataDir]);

  const eventOf = (id: string | null): Promise<EventView & { readonly time: string }> =>
    ok(gateway.api('GET', `/v1/events/${id}`));

  it.each([
    ['github', 'issues.opened', 'com.github.issues.opened'],
    ['stripe', 'invoice.paid', 'com.stripe.invoice.paid'],
    ['slack', 'app_mention', 'com.slack.app_mention'],
    ['twilio', 'message.received', 'com.twilio.message.received'],
    ['sns', 'Notification', 'com.amazonaws.sns.Notification'],
    ['discord', 'ENTITLEMENT_CREATE', 'com.discord.ENTITLEMENT_CREATE'],
    ['shopify', 'com.shopify.orders_create', 'com.shopify.orders_create'],
    ['braintree', 'disbursement', 'com.braintree.disbursement'],
    ['kinde', 'user.created', 'com.kinde.user.created'],
    ['monday', 'create_pulse', 'com.monday.create_pulse'],
  ])(
    '%s %s becomes the event that it says, in a source of its own',
    async (provider, type, eventType) => {
      const run = await simulate(provider, type, '--json');
      expect(run.stderr).toContain(`made the source simulate-${provider}`);
      const [outcome] = outcomes(run);
      expect(outcome).toMatchObject({ as_expected: true, expected: 'accepted', code: null });
      const event = await eventOf(outcome?.event_id ?? null);
      expect(event).toMatchObject({ type: eventType, source: `simulate-${provider}` });
      expect(run.code).toBe(0);
    },
    30_000,
  );

  it('uses its source again, and keeps the secret where only its owner reads it', async () => {
    const run = await simulate('github', 'push', '--json');
    expect(run.stderr).not.toContain('made the source');
    expect(outcomes(run)).toMatchObject([{ status: 202, type: 'com.github.push' }]);
    const path = join(gateway.dataDir, 'simulate');
    const files = readdirSync(path).map((name) => join(path, name));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
    const secrets = files.map(
      (file) => (JSON.parse(readFileSync(file, 'utf8')) as { secrets: string[] }).secrets,
    );
    for (const secret of secrets.flat()) expect(run.stdout + run.stderr).not.toContain(secret);
  }, 30_000);

  it.each([
    ['github', 'signature', 'signature_mismatch'],
    ['github', 'body', 'signature_mismatch'],
    ['github', 'missing-header', 'signature_missing'],
    ['stripe', 'timestamp', 'timestamp_out_of_tolerance'],
    ['slack', 'timestamp', 'timestamp_out_of_tolerance'],
    ['twilio', 'signature', 'signature_mismatch'],
    ['sns', 'body', 'signature_mismatch'],
    ['discord', 'signature', 'signature_mismatch'],
    ['github', 'oversize', 'event_too_large'],
  ])(
    '%s with a bad %s is refused: %s',
    async (provider, fault, code) => {
      const run = await simulate(provider, '--bad', fault, '--json');
      expect(outcomes(run)).toMatchObject([{ as_expected: true, code, event_id: null }]);
      expect(run.code).toBe(0);
    },
    30_000,
  );

  it.each(['chunked', 'out-of-order', 'slow'])(
    'what only looks bad is taken: %s',
    async (fault) => {
      const run = await simulate('stripe', '--bad', fault, '--slow-for', '100ms', '--json');
      const all = outcomes(run);
      for (const each of all) expect(each).toMatchObject({ status: 202, as_expected: true });
      if (fault === 'out-of-order') {
        const [first, second] = await Promise.all(all.map(({ event_id: id }) => eventOf(id)));
        expect(second?.key).toBe(first?.key);
        // Sent first, happened last.
        expect(Date.parse(second?.time ?? '')).toBeLessThan(Date.parse(first?.time ?? ''));
      }
    },
    30_000,
  );

  it.each(['stripe', 'slack', 'github'])(
    'a duplicate of %s is the same event, also where the answer has no id',
    async (provider) => {
      const [first, again] = outcomes(await simulate(provider, '--bad', 'duplicate', '--json'));
      expect(first).toMatchObject({ expected: 'accepted', as_expected: true, duplicate: false });
      expect(again).toMatchObject({ expected: 'duplicate', as_expected: true, duplicate: true });
      expect(again?.event_id).toBe(first?.event_id);
      expect(first?.event_id).toMatch(/^evt_/);
    },
    30_000,
  );

  it('sends many at a rate, each a new event', async () => {
    const run = await simulate('github', '--count', '20', '--rate', '200', '--json');
    const ids = new Set(outcomes(run).map(({ event_id: id }) => id));
    expect(ids.size).toBe(20);
    expect(run.code).toBe(0);
  }, 30_000);

  it("sends a body of one's own as it is, under the headers of the type", async () => {
    const file = join(folder, 'own.json');
    writeFileSync(file, '{ "action":"queued",  "repository":{"full_name":"me/mine"} }\n');
    const [outcome] = outcomes(await simulate('github', 'workflow_job.queued', '--data', file, '--json'));
    const event = await eventOf(outcome?.event_id ?? null);
    expect(event).toMatchObject({ type: 'com.github.workflow_job.queued', key: 'me/mine' });
    expect(event.body).toBe(readFileSync(file, 'utf8'));
  }, 30_000);

  it('signs for a source with its secret; without it a development gateway gets one more', async () => {
    const source: SourceView & { name?: string } = await createSource(gateway, {
      name: 'mine',
      provider: 'github',
      secrets: ['my-secret'],
    });
    const known = await simulate('github', '--source', 'mine', '--secret', 'my-secret', '--json');
    expect(outcomes(known)).toMatchObject([{ status: 202 }]);
    const wrong = await simulate('github', '--source', 'mine', '--secret', 'guess');
    expect(wrong.stdout).toContain('refused, but must be accepted');
    expect(wrong.code).toBe(1);
    const added = await simulate('github', '--source', source.id, '--json');
    expect(added.stderr).toContain('added a secret for simulations to the source mine');
    expect(outcomes(added)).toMatchObject([{ status: 202 }]);
    const still = await simulate('github', '--source', 'mine', '--secret', 'my-secret', '--json');
    expect(outcomes(still)).toMatchObject([{ status: 202 }]);
  }, 60_000);

  it('says what cannot be: a provider, a type, a fault, options', async () => {
    const fault = await simulate('telegram', '--bad', 'body');
    expect(fault.code).toBe(2);
    expect(fault.stderr).toContain(
      '--bad body means nothing for telegram: the proof says nothing of the body',
    );
    expect(fault.stderr).toContain('what applies: signature, missing-header, duplicate');
    const provider = await simulate('guthub');
    expect(provider.stderr).toContain('did you mean github?');
    const type = await simulate('github', 'isues.opened');
    expect(type.stderr).toContain('did you mean issues.opened?');
    const options = await simulate('github', '--count', 'many', '--rate', '-1', '--bad', 'signatur');
    expect(options.stderr).toMatch(/--bad "signatur" .*did you mean signature\?/);
    expect(options.stderr).toContain('--count must be');
    expect(options.stderr).toContain('--rate must be');
    expect([provider.code, type.code, options.code]).toEqual([2, 2, 2]);
  }, 60_000);

  it('prints a request that works when it is pasted, and sends nothing itself', async () => {
    const before = await ok<ListView<EventView>>(
      gateway.api('GET', '/v1/events?type=com.github.star.created'),
    );
    const run = await simulate('github', 'star.created', '--print', '--json');
    const after = await ok<ListView<EventView>>(
      gateway.api('GET', '/v1/events?type=com.github.star.created'),
    );
    expect(after.data.length).toBe(before.data.length);
    const printed = run.json() as {
      url: string;
      method: string;
      headers: [string, string][];
      body_base64: string;
    };
    const answer = await fetch(printed.url, {
      method: printed.method,
      headers: printed.headers,
      body: Buffer.from(printed.body_base64, 'base64'),
    });
    expect(answer.status).toBe(202);
    const curl = await simulate('github', 'star.created', '--print');
    expect(curl.stdout).toMatch(/^curl -sS -X POST 'http:\S+' \\\n {2}-H 'content-type: application\/json'/);
  }, 30_000);

  it.each(['slack', 'meta', 'zoom', 'discord', 'x_twitter', 'cloudevents', 'websub'])(
    'asks the questions of %s about the address, and sees them answered',
    async (provider) => {
      const run = await simulate(provider, 'handshake', '--json');
      const all = outcomes(run);
      expect(all.length).toBeGreaterThan(0);
      for (const each of all) expect(each).toMatchObject({ expected: 'answered', as_expected: true });
      expect(run.code).toBe(0);
    },
    30_000,
  );

  it('asks a source as its own configuration has it answered', async () => {
    await createSource(gateway, {
      name: 'rated',
      provider: 'cloudevents',
      secrets: ['a-token-of-the-sender'],
      config: { allowed_origin: 'events.example.com' },
      rate_limit: { limit: 2, period: '1s' },
    });
    const rated = await simulate('cloudevents', 'handshake', '--source', 'rated', '--json');
    expect(outcomes(rated)).toMatchObject([{ status: 200, as_expected: true }]);
    expect(rated.stderr).toContain('the source has allowedRate in its config');
    await createSource(gateway, {
      name: 'untold',
      provider: 'meta',
      secrets: ['0f1e2d3c4b5a69788796a5b4c3d2e1f0'],
    });
    const untold = await simulate('meta', 'handshake', '--source', 'untold');
    expect(untold.stderr).toContain('the source has no verifyToken in its config');
    expect(untold.code).toBe(1);
  }, 30_000);

  it('a handshake that nobody can ask is refused with those that can be', async () => {
    const none = await simulate('github', 'handshake');
    expect(none.stderr).toContain('github asks nothing about the address');
    const learned = await simulate('notion', 'handshake');
    expect(learned.stderr).toContain('it brings the secret along');
    expect([none.code, learned.code]).toEqual([2, 2]);
  }, 30_000);

  it.each(['pull-request', 'attack', 'support-day'])(
    'plays the example %s to its end',
    async (name) => {
      const file = fileURLToPath(new URL(`../../examples/scenarios/${name}.yaml`, import.meta.url));
      const run = await simulate('--scenario', file, '--json');
      const all = outcomes(run);
      expect(all.length).toBeGreaterThan(4);
      expect(all.filter((each) => !each.as_expected)).toEqual([]);
      expect(run.code).toBe(0);
      if (name !== 'pull-request') return;
      const keys = await Promise.all(all.map(({ event_id: id }) => eventOf(id).then(({ key }) => key)));
      expect(new Set(keys).size).toBe(1);
    },
    60_000,
  );

  it('plays nothing of a scenario with mistakes, and tells them with their lines', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(
      file,
      'version: 1\nsteps:\n  - { provider: github }\n  - { provider: github, typ: push }\n',
    );
    const run = await simulate('--scenario', file);
    expect(run.stderr).toContain(`${file}:4:25: steps.1.typ is not a field here; did you mean "type"?`);
    expect(run.stdout).toBe('');
    expect(run.code).toBe(2);
  }, 30_000);
});

describe('ringback simulate, against any address', () => {
  let server: Server;
  let url = '';
  const seen: { headers: NodeJS.Dict<string | string[]>; body: string }[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      request.on('end', () => {
        seen.push({ headers: request.headers, body });
        response.end('thanks');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  });

  afterAll(() => server.close());

  it('sends there without any gateway, and says which secret it made', async () => {
    const run = await runCli(['simulate', 'openai', '--to', url]);
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/signing with a new one: whsec_[A-Za-z0-9+/]{43}=/);
    expect(run.stdout).toContain('200  com.openai.response.completed  accepted, as it must be');
    expect(seen.at(-1)?.headers['webhook-signature']).toMatch(/^v1,/);
  }, 30_000);

  it('a receiver that takes what is forged is told so, with exit code 1', async () => {
    const run = await runCli([
      'simulate',
      'openai',
      '--to',
      url,
      '--secret',
      'whsec_c2VjcmV0',
      '--bad',
      'signature',
    ]);
    expect(run.stdout).toContain('accepted, but must be refused (signature)');
    expect(run.code).toBe(1);
  }, 30_000);

  it('tells when nothing answers', async () => {
    const run = await runCli(['simulate', 'github', '--to', 'http://127.0.0.1:9/hook', '--secret', 's']);
    expect(run.stdout).toContain('no answer  ECONNREFUSED');
    expect(run.code).toBe(1);
  }, 30_000);

  it('lists every provider, and the types of one', async () => {
    const all = await runCli(['simulate', '--list', '--json']);
    expect((all.json() as { provider: string }[]).length).toBeGreaterThan(170);
    const one = await runCli(['simulate', 'telegram', '--list']);
    expect(one.stdout).toContain('callback_query');
    expect(one.stdout).toContain('not body: the proof says nothing of the body');
  }, 30_000);
});
