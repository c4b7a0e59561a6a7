import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sign } from '@octokit/webhooks-methods';
import { expect, test } from 'vitest';
import { createDestination, createSource, ok, send, settled, subscribe } from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startReceiver } from './receiving.ts';

const SECRET_KEY = randomBytes(32).toString('base64');

/** Texts that occur nowhere by chance. */
const planted = {
  adminKey: 'rb_planted_admin_key_0123456789abcdef',
  githubSecret: 'planted-github-secret',
  rotatedSecret: 'planted-rotated-secret',
  headerToken: 'planted-header-token',
  bearerToken: 'planted-ingest-bearer',
  queryToken: 'planted-query-token',
  basicPair: 'planted-user:planted-password',
  destinationBearer: 'planted-destination-bearer',
  destinationPassword: 'planted-destination-password',
  signingSecret: `whsec_${Buffer.from('planted-signing-secret-32-bytes!').toString('base64')}`,
  secretKey: SECRET_KEY,
};

/** Everything that the gateway has said over HTTP, but for what it shows once on purpose. */
class Transcript {
  readonly answers: string[] = [];
  readonly #gateway: GatewayProcess;

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
  }

  note(answer: ApiAnswer, what: string): ApiAnswer {
    const headers = JSON.stringify([...answer.headers]);
    this.answers.push(`${what}: ${answer.status} ${headers} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer> {
    const answer = await this.#gateway.api(method, path, body, headers);
    return this.note(answer, `${method} ${path.split('?')[0]}`);
  }
}

/** How a secret could be written down. */
function writings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const bare = secret.replace(/^whsec_/, '');
  return [secret, bare, bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(secret)];
}

function expectNone(secrets: Readonly<Record<string, string>>, text: string, where: string): void {
  for (const [name, secret] of Object.entries(secrets)) {
    for (const writing of writings(secret)) {
      const at = text.indexOf(writing);
      const around = at < 0 ? '' : text.slice(Math.max(0, at - 300), at + 60);
      expect(`${name} in ${where}: ${around}`).toBe(`${name} in ${where}: `);
    }
  }
}

async function everyAnswer(
  transcript: Transcript,
  ids: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  for (const list of [
    'sources',
    'destinations',
    'subscriptions',
    'events',
    'deliveries',
    'replays',
    'rejections',
    'keys',
  ]) {
    await transcript.ask('GET', `/v1/${list}?limit=500`);
    for (const id of ids[list] ?? []) await transcript.ask('GET', `/v1/${list}/${id}`);
  }
  for (const id of ids['events'] ?? []) {
    for (const part of ['raw', 'trace', 'deliveries'])
      await transcript.ask('GET', `/v1/events/${id}/${part}`);
  }
  for (const path of ['/metrics', '/openapi.json', '/healthz', '/readyz']) await transcript.ask('GET', path);
}

async function badRequests(transcript: Transcript): Promise<void> {
  const { githubSecret, signingSecret, destinationBearer } = planted;
  // A comma too much right after the secret: a parser that quotes its input would show it.
  await transcript.ask(
    'POST',
    '/v1/sources',
    `{"name":"x","provider":"github","secrets":["${githubSecret}"],}`,
  );
  await transcript.ask('POST', '/v1/sources', `{"secret": ${githubSecret}}`);
  await transcript.ask('POST', '/v1/sources', {
    name: 'x',
    provider: 'standard-webhooks',
    secrets: [githubSecret],
  });
  await transcript.ask('POST', '/v1/sources', {
    name: 'x',
    provider: githubSecret.length,
    secrets: [githubSecret],
  });
  await transcript.ask('POST', '/v1/destinations', {
    name: 'x',
    url: 'http://127.0.0.1:1/',
    signing: { scheme: 'standard', secret: `${signingSecret}%` },
  });
  await transcript.ask('POST', '/v1/destinations', {
    name: 'x',
    url: 'http://127.0.0.1:1/',
    auth: { type: 'bearer', token: `${destinationBearer}\n` },
  });
  await transcript.ask('GET', '/v1/sources', undefined, { authorization: `Bearer ${planted.adminKey}x` });
}

test('H1 no secret is in the output, in any answer, in the metrics or in the database', async () => {
  const gateway = await startGatewayProcess({
    env: { RINGBACK_API_KEY: planted.adminKey, RINGBACK_SECRET_KEY: SECRET_KEY, RINGBACK_LOG_LEVEL: 'debug' },
  });
  const receiver = await startReceiver();
  const transcript = new Transcript(gateway);
  const ids = { sources: [], destinations: [], events: [], deliveries: [], rejections: [] } as Record<
    string,
    string[]
  >;

  const made = async (fields: object): Promise<{ id: string; url: string }> => {
    const source = await createSource(gateway, fields as Record<string, unknown>);
    ids['sources']?.push(source.id);
    return source;
  };
  const github = await made({ provider: 'github', secrets: [planted.githubSecret] });
  await transcript.ask('POST', `/v1/sources/${github.id}/secrets`, { secret: planted.rotatedSecret });
  const header = await made({
    provider: 'token',
    secrets: [planted.headerToken],
    config: { headerName: 'x-token' },
  });
  const bearer = await made({ provider: 'token', secrets: [planted.bearerToken] });
  const verification = { kind: 'token', from: 'q:token' };
  const query = await made({ provider: 'hmac', secrets: [planted.queryToken], verification });
  const basic = await made({ provider: 'basic', secrets: [planted.basicPair], schema: { type: 'object' } });

  const made1 = await createDestination(gateway, {
    url: receiver.url,
    signing: { scheme: 'standard', secret: planted.signingSecret },
    auth: { type: 'bearer', token: planted.destinationBearer },
  });
  const made2 = await createDestination(gateway, {
    url: 'http://127.0.0.1:1/refused',
    auth: { type: 'basic', username: 'u', password: planted.destinationPassword },
  });
  ids['destinations']?.push(made1.id, made2.id);
  for (const { id } of [made1, made2]) {
    await subscribe(gateway, { destination_id: id, retry: { max_attempts: 1 } });
  }
  const rotated = await ok<{ secret: string }>(
    gateway.api('POST', `/v1/destinations/${made2.id}/rotate-secret`),
  );
  const apiKey = await ok<{ key: string }>(gateway.api('POST', '/v1/keys', { name: 'k', scopes: ['read'] }));
  const secrets = { ...planted, made: made2.secret, rotated: rotated.secret, apiKey: apiKey.key };

  const basicHeader = { authorization: `Basic ${Buffer.from(planted.basicPair).toString('base64')}` };
  const signed = { 'x-hub-signature-256': await sign(planted.githubSecret, '{}'), 'x-github-event': 'ping' };
  const sent = [
    await send(github.url, '{}', signed),
    await send(header.url, '{}', { 'x-token': planted.headerToken }),
    await send(bearer.url, '{}', { authorization: `Bearer ${planted.bearerToken}` }),
    await send(`${query.url}?a=b&token=${planted.queryToken}&c=d`, '{}'),
    await send(basic.url, '{}', basicHeader),
  ];
  for (const answer of sent) {
    expect(transcript.note(answer, 'ingest').status).toBe(202);
    ids['events']?.push((answer.body as { id: string }).id);
  }
  // Refused although the secret is right: it must not stay behind with the rejection.
  const refusals = [await send(basic.url, 'no json', basicHeader)];
  for (const source of [query, header, bearer]) {
    await gateway.api('PATCH', `/v1/sources/${source.id}`, { enabled: false });
  }
  refusals.push(
    await send(`${query.url}?token=${planted.queryToken}`, '{}'),
    await send(header.url, '{}', { 'x-token': planted.headerToken }),
    await send(bearer.url, '{}', { authorization: `Bearer ${planted.bearerToken}` }),
  );
  for (const answer of refusals) {
    expect(transcript.note(answer, 'ingest').status).toBeGreaterThanOrEqual(400);
    ids['rejections']?.push((answer.body as { request_id: string }).request_id);
  }
  await receiver.count(5);
  expect(receiver.received[0]?.headers.authorization).toBe(`Bearer ${planted.destinationBearer}`);
  for (const id of ids['events'] ?? []) ids['deliveries']?.push((await settled(gateway, id)).id);
  await transcript.ask('POST', `/v1/destinations/${made1.id}/test`);
  await badRequests(transcript);
  await transcript.ask('PATCH', `/v1/destinations/${made1.id}`, {
    auth: { type: 'bearer', token: planted.destinationBearer },
  });
  await everyAnswer(transcript, ids);

  for (const answer of transcript.answers) expectNone(secrets, answer, 'an answer');
  const files = readdirSync(gateway.dataDir).filter((name) => name.startsWith('ringback.db'));
  expect(files).toContain('ringback.db');
  for (const name of files) expectNone(secrets, readFileSync(join(gateway.dataDir, name), 'latin1'), name);
  expect(await gateway.stop()).toBe(0);
  expectNone(secrets, gateway.stdout(), 'stdout');
  expectNone(secrets, gateway.stderr(), 'stderr');
  expect(transcript.answers.length).toBeGreaterThan(50);
  await receiver.close();
});
