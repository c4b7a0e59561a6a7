import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { SendResult } from '../domain/outcome.ts';
import type { OAuth2Client } from '../ports/token-source.ts';
import { AddressGuard } from './address-guard.ts';
import { AuthorizedSender } from './authorized-sender.ts';
import { HttpSender } from './http-sender.ts';
import { OAuth2Tokens } from './oauth2-tokens.ts';

interface Asked {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly body: string;
}

type Answer = (response: ServerResponse, asked: Asked) => void;

let url: string;
let asked: Asked[];
/** What the token server does; it gives `token-1`, `token-2`, ... unless a test says otherwise. */
let tokenAnswer: Answer;
let hookAnswer: Answer;
let stop: () => Promise<void>;
let nowMs: number;
let http: HttpSender;
let tokens: OAuth2Tokens;

const tokensAsked = (): Asked[] => asked.filter(({ path }) => path === '/token');
const hooksAsked = (): Asked[] => asked.filter(({ path }) => path === '/hook');

beforeEach(async () => {
  asked = [];
  nowMs = 1_000;
  tokenAnswer = (response) => giveToken(response, { expires_in: 3_600 });
  hookAnswer = (response) => response.end();
  const server = createServer((request, response) => answerWhole(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  http = new HttpSender({ addressGuard: new AddressGuard({ allowPrivate: ['127.0.0.1'] }) });
  tokens = new OAuth2Tokens({ sender: http, userAgent: 'Ringback/test', monotonicMs: () => nowMs });
  stop = async () => {
    await http.close();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
});
afterEach(() => stop());

function answerWhole(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.on('end', () => {
    const { authorization, 'content-type': contentType } = request.headers;
    const one = { path: request.url ?? '', authorization, contentType, body };
    asked.push(one);
    (one.path === '/token' ? tokenAnswer : hookAnswer)(response, one);
  });
}

function giveToken(response: ServerResponse, fields: Readonly<Record<string, unknown>> = {}): void {
  const token = { access_token: `token-${tokensAsked().length}`, token_type: 'Bearer', ...fields };
  response.end(JSON.stringify(token));
}

function client(more: Partial<OAuth2Client> = {}): OAuth2Client {
  return {
    destinationId: 'dst_1',
    tokenUrl: `${url}/token`,
    clientId: 'me',
    clientSecret: 'hush',
    scope: null,
    audience: null,
    ...more,
  };
}

function send(oauth2 = client(), timeoutMs = 2_000): Promise<SendResult> {
  return new AuthorizedSender(http, tokens).send({
    url: `${url}/hook`,
    headers: ['x-own', 'a'],
    body: Buffer.from('{}'),
    timeoutMs,
    oauth2,
  });
}

describe('the token request', () => {
  test('is the client credentials grant with client_secret_basic (RFC 6749, 4.4.2 and 2.3.1)', async () => {
    const answer = await tokens.token(client({ scope: 'a b', audience: 'https://api.example' }), 2_000);
    expect(answer).toEqual({ ok: true, token: 'token-1' });
    expect(asked).toEqual([
      {
        path: '/token',
        authorization: `Basic ${btoa('me:hush')}`,
        contentType: 'application/x-www-form-urlencoded',
        body: 'grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fapi.example',
      },
    ]);
  });

  test('encodes id and secret before they are joined', async () => {
    await tokens.token(client({ clientId: 'a:b c', clientSecret: 'ä%&' }), 2_000);
    expect(asked[0]?.authorization).toBe(`Basic ${btoa('a%3Ab+c:%C3%A4%25%26')}`);
  });
});

describe('a token', () => {
  test('is kept until its last minute', async () => {
    await tokens.token(client(), 2_000);
    nowMs += 3_539_000;
    expect(await tokens.token(client(), 2_000)).toEqual({ ok: true, token: 'token-1' });
    nowMs += 2_000;
    expect(await tokens.token(client(), 2_000)).toEqual({ ok: true, token: 'token-2' });
  });

  test.each([
    [{ expires_in: 100 }, 89_000, 91_000],
    [{ expires_in: '100' }, 89_000, 91_000],
    [{}, 269_000, 271_000],
    [{ expires_in: 0 }, 269_000, 271_000],
    [{ expires_in: 'soon' }, 269_000, 271_000],
  ])('with %o is good after %i ms and not after %i', async (fields, good, over) => {
    tokenAnswer = (response) => giveToken(response, fields);
    await tokens.token(client(), 2_000);
    nowMs = 1_000 + good;
    expect(await tokens.token(client(), 2_000)).toMatchObject({ token: 'token-1' });
    nowMs = 1_000 + over;
    expect(await tokens.token(client(), 2_000)).toMatchObject({ token: 'token-2' });
  });

  test('is asked for once by all who want it at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => tokens.token(client(), 2_000)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(asked).toHaveLength(1);
  });

  test('belongs to one destination and its settings', async () => {
    await tokens.token(client(), 2_000);
    expect(await tokens.token(client({ destinationId: 'dst_2' }), 2_000)).toMatchObject({ token: 'token-2' });
    expect(await tokens.token(client({ clientSecret: 'new' }), 2_000)).toMatchObject({ token: 'token-3' });
    expect(await tokens.token(client({ destinationId: 'dst_2' }), 2_000)).toMatchObject({ token: 'token-2' });
  });

  test('is dropped only while it is the one that is kept', async () => {
    await tokens.token(client(), 2_000);
    tokens.drop(client(), 'token-0');
    expect(await tokens.token(client(), 2_000)).toMatchObject({ token: 'token-1' });
    tokens.drop(client(), 'token-1');
    expect(await tokens.token(client(), 2_000)).toMatchObject({ token: 'token-2' });
  });
});

describe('a token server that fails', () => {
  test.each<[string, Answer, string]>([
    [
      'refuses the client',
      (response) => response.writeHead(401).end('{"error":"invalid_client","error_description":"hush"}'),
      'the token server answered 401 invalid_client',
    ],
    [
      'repeats the secret',
      (response) => response.writeHead(400).end('{"error":"Hush!"}'),
      'the token server answered 400',
    ],
    ['is broken', (response) => response.writeHead(503).end('<html>'), 'the token server answered 503'],
    [
      'redirects',
      (response) => response.writeHead(302, { location: '/token' }).end(),
      'the token server answered 302',
    ],
    ['says nothing', (response) => response.end(), 'the token server answered without an access_token'],
    ['sends a list', (response) => response.end('[]'), 'the token server answered without an access_token'],
    [
      'splits the header',
      (response) => giveToken(response, { access_token: 'a\r\nx: y' }),
      'the token server answered without an access_token',
    ],
    [
      'gives another kind',
      (response) => giveToken(response, { token_type: 'mac' }),
      'the token server gave a token that is no bearer token',
    ],
    ['hangs up', (response) => response.destroy(), 'no answer from the token server: connection_reset'],
  ])('and %s', async (_what, answer, reason) => {
    tokenAnswer = answer;
    expect(await tokens.token(client(), 2_000)).toEqual({ ok: false, reason });
  });

  test('is not asked again for a second', async () => {
    tokenAnswer = (response) => response.writeHead(500).end();
    await tokens.token(client(), 2_000);
    nowMs += 999;
    expect(await tokens.token(client(), 2_000)).toMatchObject({ ok: false });
    expect(asked).toHaveLength(1);
    tokenAnswer = (response) => giveToken(response);
    nowMs += 2;
    expect(await tokens.token(client(), 2_000)).toMatchObject({ ok: true });
  });

  test('at a forbidden address is never reached', async () => {
    const answer = await tokens.token(client({ tokenUrl: 'http://10.0.0.1/token' }), 2_000);
    expect(answer).toEqual({ ok: false, reason: 'no answer from the token server: address_forbidden' });
  });
});

describe('sending with a token', () => {
  test('goes as a bearer token', async () => {
    expect(await send()).toMatchObject({ status: 200, error: null });
    expect(hooksAsked()).toMatchObject([{ authorization: 'Bearer token-1' }]);
  });

  test('a 401 is the outcome, and the next attempt has a new token', async () => {
    hookAnswer = (response, { authorization }) =>
      response.writeHead(authorization === 'Bearer token-1' ? 401 : 204).end();
    expect(await send()).toMatchObject({ status: 401 });
    expect(await send()).toMatchObject({ status: 204 });
    expect(hooksAsked()).toHaveLength(2);
    expect(tokensAsked()).toHaveLength(2);
  });

  test('without a token nothing is sent, and the outcome says why', async () => {
    tokenAnswer = (response) => response.writeHead(401).end('{"error":"invalid_client"}');
    expect(await send()).toEqual({
      status: null,
      error: 'auth_failed',
      headers: [],
      body: 'the token server answered 401 invalid_client',
      durationMs: expect.any(Number) as number,
    });
    expect(hooksAsked()).toEqual([]);
  });

  test('a token server that hangs ends the attempt within its limit', async () => {
    tokenAnswer = () => undefined;
    const result = await send(client(), 200);
    expect(result).toMatchObject({ error: 'auth_failed', body: 'no answer from the token server: timeout' });
    expect(result.durationMs).toBeLessThan(1_000);
  });
});
