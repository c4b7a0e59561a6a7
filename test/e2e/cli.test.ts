import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/api/catalogue.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type CliOptions, type CliRun, runCli } from './run-cli.ts';

const SECRET = 'a-secret, with a comma';

let gateway: GatewayProcess;
let receiver: Server;
let receiverUrl: string;
let folder: string;

beforeAll(async () => {
  gateway = await startGatewayProcess();
  folder = mkdtempSync(join(tmpdir(), 'ringback-cli-'));
  receiver = createServer((request, response) => {
    request.resume();
    response.statusCode = request.url === '/bad' ? 503 : 204;
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await gateway.stop();
  receiver.closeAllConnections();
  receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A command to the gateway of these tests, with its key found in its data directory. */
function cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const env = { RINGBACK_URL: gateway.url, RINGBACK_DATA_DIR: gateway.dataDir, ...options.env };
  return runCli(args, { ...options, env });
}

/** As `cli`, for commands of which the test needs only that they work. */
async function done(...args: string[]): Promise<Record<string, unknown>> {
  const run = await cli([...args, '--json']);
  expect(run.stderr).toBe('');
  expect(run.code).toBe(0);
  return run.stdout === '' ? {} : (run.json() as Record<string, unknown>);
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until<Value>(what: () => Promise<Value | null>): Promise<Value> {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await what();
    if (found !== null) return found;
    if (Date.now() > end) throw new Error('it did not happen within 10 s');
  }
}

async function sendGithubPush(url: string, id: string, secret: string): Promise<Response> {
  const body = JSON.stringify({ ref: 'refs/heads/main', id });
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': id,
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
  });
}

describe('commands of the catalogue', () => {
  it('has every operation as RESOURCE VERB', async () => {
    const resources = new Set(CATALOGUE.map(({ name }) => name.split('.')[0] ?? ''));
    for (const resource of resources) {
      const { stdout, code } = await cli([resource, '--help']);
      expect(code).toBe(0);
      for (const { name } of CATALOGUE) {
        const [of, verb] = name.split('.');
        if (of === resource) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
      }
    }
  });

  it('creates, lists, shows, changes and deletes by name, and says what to do next', async () => {
    const created = await cli(['sources', 'create', '--name', 'shop', '--provider', 'none']);
    expect(created.code).toBe(0);
    expect(created.stdout).toMatch(/^id +src_/m);
    expect(created.stdout).toMatch(/Enter this URL at the sender: http:\/\/\S+\/in\//);
    expect(created.stdout).toMatch(/subscriptions create --name NAME --sources shop /);

    const listed = await cli(['sources', 'list']);
    expect(listed.stdout).toMatch(/^name +id +provider +state +secrets +covers +created$/m);
    expect(listed.stdout).toMatch(/^shop +src_\w+ +none +enabled +0 +nothing +(now|\d+ s ago)$/m);

    const changed = await done(
      'sources',
      'update',
      'shop',
      '--no-enabled',
      '--rate-limit.limit',
      '5',
      '--rate-limit.period',
      '1s',
      '--allowed-ips',
      '10.0.0.0/8,192.0.2.1',
      '--max-body-bytes',
      '64KiB',
    );
    expect(changed).toMatchObject({
      enabled: false,
      rate_limit: { limit: 5, period: '1s' },
      allowed_ips: ['10.0.0.0/8', '192.0.2.1'],
      max_body_bytes: 65_536,
    });
    expect(await done('sources', 'update', 'shop', '--rate-limit', 'null')).toMatchObject({
      rate_limit: null,
    });

    const deleted = await cli(['sources', 'delete', 'shop']);
    expect(deleted).toMatchObject({ code: 0, stdout: 'deleted shop\n' });
    expect((await cli(['sources', 'get', 'shop'])).code).toBe(1);
  });

  it('takes secrets from a file and from standard input, whole', async () => {
    const fromFile = [
      '--name',
      'from-file',
      '--provider',
      'github',
      '--secrets',
      `@${file('secret', `${SECRET}\n`)}`,
    ];
    const source = await done('sources', 'create', ...fromFile);
    expect((await sendGithubPush(String(source['url']), 'guid-1', SECRET)).status).toBe(202);

    const added = await cli(['sources', 'add-secret', 'from-file', '--secret', '-', '--json'], {
      input: 'newer\n',
    });
    expect(added.code).toBe(0);
    expect((await sendGithubPush(String(source['url']), 'guid-2', 'newer')).status).toBe(202);
  });

  it('prints the answer of the API as it is with --json', async () => {
    const { body } = await gateway.api('GET', '/v1/sources');
    expect(await done('sources', 'list')).toEqual(body);
  });

  it('follows every page with --all, and says that there are more without', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) {
      await done('destinations', 'create', '--name', name, '--url', receiverUrl);
    }
    const page = await cli(['destinations', 'list', '--limit', '2']);
    expect(page.stdout).toMatch(/There are more: add --all, or --cursor \S+/);
    const all = await done('destinations', 'list', '--limit', '2', '--all');
    expect(all['next_cursor']).toBeNull();
    expect((all['data'] as unknown[]).length).toBeGreaterThanOrEqual(3);
  });

  it('reads a whole body from standard input, and lets options change it', async () => {
    const input = JSON.stringify({ name: 'piped', url: 'http://192.0.2.1/', timeout: '5s' });
    const run = await cli(['destinations', 'create', '--body', '-', '--url', receiverUrl, '--json'], {
      input,
    });
    expect(run.json()).toMatchObject({ name: 'piped', url: receiverUrl, timeout: '5s' });
  });

  it('publishes JSON from a file, and a batch', async () => {
    const data = file('data.json', '{"amount":7}');
    const run = await cli(['events', 'publish', '--type', 'invoice.paid', '--data', `@${data}`]);
    expect(run.stdout).toMatch(/See what becomes of it: .* why evt_/);
    const batch = file(
      'batch.json',
      JSON.stringify({
        events: [
          { type: 'a', data: 1 },
          { type: 'b', data: 2 },
        ],
      }),
    );
    const answer = await done('events', 'publish-batch', '--body', batch);
    expect(answer['data']).toHaveLength(2);
    const { data: events } = (await done('events', 'list', '--from', '1h', '--type', 'invoice.*')) as {
      data: unknown[];
    };
    expect(events).toHaveLength(1);
  });

  it('replays by options of the filter, counting only with --dry-run', async () => {
    await done('destinations', 'create', '--name', 'replayed', '--url', receiverUrl);
    await done(
      'subscriptions',
      'create',
      '--name',
      'replayed',
      '--destination-id',
      'replayed',
      '--types',
      'replay.me',
    );
    await done('events', 'publish', '--type', 'replay.me', '--data', 'null');
    const counted = await done('replays', 'create', '--destination', 'replayed', '--from', '1h', '--dry-run');
    expect(counted).toMatchObject({ id: null, matched: 1 });
    const run = await cli(['replays', 'create', '--destination', 'replayed']);
    expect(run.stdout).toMatch(/replays get rpl_/);
  });

  it('shows no control characters of senders', async () => {
    await done('events', 'publish', '--type', 'evil', '--key', '\u001b[2J\u009b31m', '--data', '"\u202e"');
    const list = await cli(['events', 'list', '--type', 'evil']);
    expect(list.stdout).toContain('\\u001b[2J\\u009b31m');
    const json = await cli(['events', 'list', '--type', 'evil', '--json']);
    // eslint-disable-next-line no-control-regex
    expect(json.stdout + list.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

describe('clumsy use', () => {
  it.each([
    [
      ['sources', 'create'],
      /also needs --name, --provider\n.*for example: ringback sources create --name my-name --provider github/,
    ],
    [['subscriptions', 'create', '--name', 'x'], /also needs --destination-id/],
    [['replays', 'create'], /one of --event-ids .*--state[^]*replays create --state dead/],
    [['sources', 'get'], /missing required argument 'id-or-name'/],
    [['sources', 'lst'], /unknown command 'lst'\n\(Did you mean list\?\)/],
    [['sorces', 'list'], /Did you mean sources\?/],
    [['sources', 'list', '--jsno'], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [['events', 'list', '--limit', 'many'], /--limit must be a number, not "many"/],
    [['events', 'list', '--from', 'yesterday'], /--from must be a time such as .* or a duration such as 2h/],
    [['events', 'publish', '--type', 'a', '--data', 'hello'], /--data is not JSON: hello/],
    [
      ['events', 'publish-batch', '--body', 'nowhere.json'],
      /--body: cannot read nowhere.json: there is no such file/,
    ],
    [['keys', 'create', '--name', 'k', '--scopes', 'raed'], /--scopes takes admin, read, .*; not raed/],
    [
      ['destinations', 'create', '--name', 'k', '--url', 'http://x', '--signing.scheme', 'md5'],
      /Allowed choices are standard/,
    ],
    [['sources', 'get', 'dst_00000000000000000000000000'], /is the id of a destination, not of a source/],
    [['sources', 'add-secret', 'x', '--secret', '-', '--body', '-'], /standard input cannot be read twice/],
    [['why', 'src_00000000000000000000000000'], /to look at this: .* sources get src_/],
    [['sources', 'list', '--url', 'localhost:8420'], /--url must be an http or https URL/],
  ])('is wrong usage (exit code 2) for %j', async (args, message) => {
    const run = await cli(args);
    expect(run.stderr).toMatch(message);
    expect(run).toMatchObject({ code: 2, stdout: '' });
  });

  it('names the option beside each pointer that the server objects to', async () => {
    const run = await cli([
      'sources',
      'create',
      '--name',
      'x',
      '--provider',
      'hmac',
      '--rate-limit.limit',
      '3',
    ]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^error: validation_failed: /);
    expect(run.stderr).toMatch(/- \/rate_limit\/period \(--rate-limit.period\): /);
  });

  it('prints the problem document with --json', async () => {
    const run = await cli(['events', 'get', 'evt_nothing', '--json']);
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(run.stderr)).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('proposes the name that was probably meant', async () => {
    await done('destinations', 'create', '--name', 'warehouse', '--url', receiverUrl);
    const run = await cli(['destinations', 'pause', 'warehose']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /there is no destination with the id or name "warehose"\n.*did you mean "warehouse"\?/,
    );
  });

  it('says how to start a server when none runs', async () => {
    const env = { RINGBACK_PORT: String(await freePort()) };
    const run = await runCli(['sources', 'list', '--data-dir', folder], { env });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/no server answers at http:\/\/127\.0\.0\.1:\d+\n.*start one: .* dev/);
  });

  it('says where the key came from when it is refused, and never prints it', async () => {
    const run = await cli(['sources', 'list'], { env: { RINGBACK_API_KEY: 'rb_not_the_key' } });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/credentials_invalid: [^]*the key came from RINGBACK_API_KEY[^]*admin\.key/);
    expect(run.stderr + run.stdout).not.toContain('rb_not_the_key');
  });

  it('says where it looked when there is no key', async () => {
    const run = await cli(['sources', 'list', '--data-dir', folder]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /credentials_missing: [^]*no API key was found; looked at: --key-file, RINGBACK_API_KEY, .*admin.key/,
    );
  });

  it('refuses a key file that others can read', async () => {
    const path = file('open.key', gateway.adminKey);
    chmodSync(path, 0o644);
    const run = await cli(['sources', 'list', '--key-file', path]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/can be read or written by other users \(mode 0644\)\n.*chmod 600/);
  });

  it('does not send the key of a local server to another machine', async () => {
    let authorization: string | undefined;
    const other = createServer((request, response) => {
      ({ authorization } = request.headers);
      response.end('<html></html>');
    });
    await new Promise<void>((resolve) => other.listen(0, resolve));
    // Loopback by an address that is not taken for it: to the command line it is another machine.
    const url = `http://127.0.0.2:${(other.address() as AddressInfo).port}`;
    const run = await cli(['sources', 'list', '--url', url]);
    other.close();
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/is not Ringback \(status 200\)/);
    expect(authorization).toBeUndefined();
  });
});

describe('why', () => {
  it('tells the story of an event by the id that its sender gave', async () => {
    const source = await done(
      'sources',
      'create',
      '--name',
      'why-hub',
      '--provider',
      'github',
      '--secrets',
      'k',
    );
    await done('destinations', 'create', '--name', 'why-good', '--url', receiverUrl);
    await done('destinations', 'create', '--name', 'why-bad', '--url', `${receiverUrl}/bad`);
    const to = (name: string, destination: string, ...more: string[]): Promise<unknown> =>
      done(
        'subscriptions',
        'create',
        '--name',
        name,
        '--destination-id',
        destination,
        '--sources',
        'why-hub',
        ...more,
      );
    await to('why-all', 'why-good');
    await to('why-fails', 'why-bad');
    await to('why-invoices', 'why-good', '--types', 'invoice.*');
    await to('why-filter', 'why-good', '--filter', 'data.ref == "refs/heads/dev"');
    expect((await sendGithubPush(String(source['url']), 'why-guid', 'k')).status).toBe(202);

    const { stdout } = await until(async () => {
      const run = await cli(['why', 'why-guid']);
      return run.stdout.includes('succeeded') && run.stdout.includes('503') ? run : null;
    });
    expect(stdout).toMatch(/is an event com\.github\.push from "why-hub"/);
    expect(stdout).toMatch(/It was verified as github: the proof covers the body; secret 0/);
    expect(stdout).toMatch(/known by the id that its sender gave it, why-guid; a repeated request/);
    expect(stdout).toMatch(/yes {2}why-all: goes to why-good/);
    expect(stdout).toMatch(/no {3}why-invoices: it takes other types \(invoice\.\*\), not com\.github\.push/);
    expect(stdout).toMatch(/no {3}why-filter: its filter said no: data\.ref == "refs\/heads\/dev"/);
    expect(stdout).toMatch(
      /to why-bad \(.*\/bad\): pending\n.*The next attempt is in .*deliveries retry dlv_/,
    );
    expect(stdout).toMatch(/1 +\S.* +retryable +503 +in \d/);

    const trace = (await done('why', 'why-guid')) as { deliveries: { id: string; destination_id: string }[] };
    const [first] = trace.deliveries;
    const one = await cli(['why', first?.id ?? '']);
    expect(one.stdout).toContain(first?.id);
    expect(one.stdout).toMatch(/1 more: .* why evt_/);
  });

  it('tells why a request was refused, and the likely fix', async () => {
    const source = await done(
      'sources',
      'create',
      '--name',
      'refuses',
      '--provider',
      'github',
      '--secrets',
      'k',
    );
    const answer = await sendGithubPush(String(source['url']), 'refused', 'wrong');
    const { request_id: requestId } = (await answer.json()) as { request_id: string };
    const run = await cli(['why', requestId]);
    expect(run.stdout).toMatch(/refused at the source "refuses"/);
    expect(run.stdout).toMatch(/refused with signature_mismatch: bad signature/);
    expect(run.stdout).toMatch(/likely fix .*sources add-secret refuses --secret -/);
  });

  it('says so when there is no such thing', async () => {
    const run = await cli(['why', 'never-heard-of']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/no event has the id never-heard-of[^]*rejections list/);
  });
});
