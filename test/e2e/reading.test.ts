import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CATALOGUE } from '../../src/api/catalogue.ts';
import { PROBLEMS } from '../../src/domain/problem.ts';
import {
  createDestination,
  createSource,
  type DeliveryView,
  type EventView,
  type ListView,
  ok,
  publish,
  send,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startReceiver } from './receiving.ts';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

interface Message {
  readonly id: string;
  readonly event: string;
  readonly data: EventView;
}

/** A reader of server-sent events, by the rules of WHATWG HTML, section 9.2.6. */
class Stream {
  lastEventId: string;
  readonly #abort = new AbortController();
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';

  private constructor(body: ReadableStream<Uint8Array>, lastEventId: string, abort: AbortController) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.lastEventId = lastEventId;
    this.#abort = abort;
  }

  static async open(query = '', lastEventId = ''): Promise<Stream> {
    const abort = new AbortController();
    const response = await fetch(`${gateway.url}/v1/stream${query}`, {
      signal: abort.signal,
      headers: {
        authorization: `Bearer ${gateway.adminKey}`,
        ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }),
      },
    });
    if (response.status !== 200 || response.body === null) throw new Error(`answered ${response.status}`);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    return new Stream(response.body, lastEventId, abort);
  }

  /** The next message; blocks without data only set the id, as the standard says. */
  async next(): Promise<Message> {
    for (;;) {
      const fields = new Map<string, string>();
      for (const line of (await this.#block()).split('\n')) {
        const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
        fields.set(name, value);
      }
      this.lastEventId = fields.get('id') ?? this.lastEventId;
      const data = fields.get('data');
      if (data === undefined) continue;
      return { id: this.lastEventId, event: fields.get('event') ?? '', data: JSON.parse(data) as EventView };
    }
  }

  /** Reads up to the first block's end, so that the id that it sets is known. */
  async opened(): Promise<string> {
    const block = await this.#block();
    this.lastEventId = /^id: ?(.*)$/m.exec(block)?.[1] ?? this.lastEventId;
    return this.lastEventId;
  }

  close(): void {
    this.#abort.abort();
  }

  async #block(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return block;
      }
      const { done, value } = await this.#chunks.next();
      if (done === true) throw new Error('the stream ended');
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }
}

describe('G1: the stream', () => {
  test('G1 nothing is missed and nothing doubled across reconnects while events come in', async () => {
    const published: string[] = [];
    const first = await Stream.open('?type=g1.resume');
    const publishing = (async () => {
      for (let n = 0; n < 20; n += 1) {
        const events = Array.from({ length: 15 }, () => ({ type: 'g1.resume', data: { n } }));
        const body = { events: [...events, { type: 'g1.other', data: {} }] };
        const { data } = await ok<{ data: { id: string }[] }>(gateway.api('POST', '/v1/events/batch', body));
        published.push(...data.slice(0, -1).map(({ id }) => id));
      }
    })();
    const seen: string[] = [];
    let stream = first;
    while (seen.length < 300) {
      // A different number each time, so that batches are cut everywhere.
      for (let n = 0; n < 7 + (seen.length % 23) && seen.length < 300; n += 1) {
        seen.push((await stream.next()).data.id);
      }
      stream.close();
      stream = await Stream.open('?type=g1.resume', stream.lastEventId);
    }
    stream.close();
    await publishing;
    expect(seen).toEqual(published);
  });

  test('G1 what comes once the stream has answered is not missed', async () => {
    for (let n = 0; n < 15; n += 1) {
      const stream = await Stream.open('?type=g1.at-once');
      const { id } = await publish(gateway, { type: 'g1.at-once' });
      expect((await stream.next()).data.id).toBe(id);
      stream.close();
    }
  });

  test('G1 a reader that was cut off before its first event resumes where it began', async () => {
    const stream = await Stream.open('?type=g1.cut');
    const place = await stream.opened();
    expect(place).not.toBe('');
    stream.close();
    const { id } = await publish(gateway, { type: 'g1.cut' });
    const again = await Stream.open('?type=g1.cut', place);
    const message = await again.next();
    expect([message.event, message.data.id]).toEqual(['event.accepted', id]);
    again.close();
  });

  test('G1 filters: type, source, tenant, key', async () => {
    const source = await createSource(gateway, { provider: 'none', name: 'g1-source' });
    const streams = {
      all: await Stream.open(),
      type: await Stream.open('?type=g1.filter.*'),
      source: await Stream.open('?source=g1-source'),
      tenant: await Stream.open('?tenant=g1'),
      key: await Stream.open('?key=k1'),
    };
    const ids = {
      plain: (await publish(gateway, { type: 'g1.plain' })).id,
      type: (await publish(gateway, { type: 'g1.filter.x' })).id,
      source: ((await send(source.url, '{}')).body as { id: string }).id,
      tenant: (await publish(gateway, { type: 'g1.plain', tenant: 'g1' })).id,
      key: (await publish(gateway, { type: 'g1.plain', key: 'k1' })).id,
    };
    for (const name of ['type', 'source', 'tenant', 'key'] as const) {
      expect([name, (await streams[name].next()).data.id]).toEqual([name, ids[name]]);
    }
    for (const id of Object.values(ids)) expect((await streams.all.next()).data.id).toBe(id);
    for (const stream of Object.values(streams)) stream.close();
  });

  test('G1 a key has up to 100 streams at once, another key has its own', async () => {
    const created = await gateway.api('POST', '/v1/keys', { name: 'g1-streams', scopes: ['read'] });
    const { key } = created.body as { key: string };
    const ask = (token: string) =>
      fetch(`${gateway.url}/v1/stream`, { headers: { authorization: `Bearer ${token}` } });
    const open = await Promise.all(Array.from({ length: 100 }, () => ask(key)));
    expect(open.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200));
    const refused = await ask(key);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
    expect(await refused.json()).toMatchObject({
      code: 'rate_limited',
      detail: expect.stringContaining('100'),
    });
    const other = await Stream.open();
    other.close();
    await open.pop()?.body?.cancel();
    await vi.waitFor(async () => {
      const again = await ask(key);
      await again.body?.cancel();
      expect(again.status).toBe(200);
    });
    for (const { body } of open) await body?.cancel();
  });
});

/** Walks a list page by page; `between` is called after each page. */
async function walk<Item>(path: string, between: () => Promise<unknown>): Promise<Item[]> {
  const items: Item[] = [];
  let cursor = '';
  for (;;) {
    const page: ListView<Item> = await ok(gateway.api('GET', `${path}&limit=20${cursor}`));
    items.push(...page.data);
    if (page.next_cursor === null) return items;
    cursor = `&cursor=${page.next_cursor}`;
    await between();
  }
}

describe('G2: paging', () => {
  test('G2 pages of events and deliveries stay true while more come in', async () => {
    const receiver = await startReceiver();
    const { id: to } = await createDestination(gateway, { url: receiver.url });
    await subscribe(gateway, { destination_id: to, types: ['g2.page'] });
    const more = async (count: number): Promise<string[]> => {
      const events = Array.from({ length: count }, () => ({ type: 'g2.page', data: {} }));
      const { data } = await ok<{ data: { id: string }[] }>(
        gateway.api('POST', '/v1/events/batch', { events }),
      );
      return data.map(({ id }) => id);
    };
    const before = await more(150);
    const events = await walk<EventView>('/v1/events?type=g2.page', () => more(7));
    expect(events.map(({ id }) => id)).toEqual(before.toReversed());
    const count = receiver.received.length;
    await receiver.count(150 + 7 * 7);
    expect(count).toBeLessThanOrEqual(150 + 7 * 7);
    const known = new Set(
      (await walk<EventView>('/v1/events?type=g2.page', async () => undefined)).map(({ id }) => id),
    );
    // Deliveries change their state under way; their place in the list does not.
    const deliveries = await walk<DeliveryView>(`/v1/deliveries?destination=${to}`, () => more(7));
    expect(new Set(deliveries.map(({ event_id: id }) => id))).toEqual(known);
    expect(deliveries).toHaveLength(known.size);
    await receiver.close();
  });
});

interface OpenApi {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { properties: Readonly<Record<string, { enum?: string[] }>> }>>;
  };
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
}

/** Every `$ref` of a document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

function resolve(document: unknown, reference: string): unknown {
  return reference
    .slice(2)
    .split('/')
    .reduce<unknown>(
      (at, part) =>
        (at as Record<string, unknown> | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')],
      document,
    );
}

describe('G3: the description', () => {
  test('G3 /openapi.json is OpenAPI 3.1 by its structure', async () => {
    const document = await ok<OpenApi>(gateway.api('GET', '/openapi.json'));
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: 'Ringback', version: expect.any(String) as string });
    const ids: string[] = [];
    for (const [path, item] of Object.entries(document.paths)) {
      expect(path).toMatch(/^\//);
      for (const [method, operation] of Object.entries(item)) {
        expect(['get', 'post', 'patch', 'put', 'delete']).toContain(method);
        ids.push(operation.operationId);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
        const declared = (operation.parameters ?? []).filter((one) => one.in === 'path');
        expect([path, declared.map(({ name, required }) => [name, required])]).toEqual([
          path,
          inPath.map((name) => [name, true]),
        ]);
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
        for (const status of Object.keys(operation.responses))
          expect(status).toMatch(/^([1-5]\d\d|[1-5]XX|default)$/);
        if (method === 'get') expect(operation.requestBody).toBeUndefined();
      }
    }
    expect(new Set(ids).size).toBe(ids.length);
    const refs = references(document);
    expect(refs.length).toBeGreaterThan(0);
    for (const reference of refs)
      expect([reference, resolve(document, reference)]).not.toEqual([reference, undefined]);
  });

  test('G3 every operation of the catalogue is described, and answers', async () => {
    const { paths } = await ok<OpenApi>(gateway.api('GET', '/openapi.json'));
    for (const { name, method, path } of CATALOGUE) {
      expect([name, paths[path]?.[method.toLowerCase()]?.operationId]).toEqual([name, name]);
      const url = path.replaceAll(/\{\w+\}/g, 'none');
      // Without a key, since wrong ones are answered later and later.
      const answer = await fetch(`${gateway.url}${url}`, { method });
      const { code } = (await answer.json()) as { code: string };
      expect([name, answer.status, code]).toEqual([name, 401, 'credentials_missing']);
    }
  });

  test('G3 the error codes of the registry and of the description are the same, both ways', async () => {
    const { components } = await ok<OpenApi>(gateway.api('GET', '/openapi.json'));
    const described = components.schemas['Problem']?.properties['code']?.enum ?? [];
    expect(described.toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
    expect(new Set(described).size).toBe(described.length);
  });

  test('G3 the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await ok<OpenApi>(gateway.api('GET', '/openapi.json'))).info['version']).toBe(version);
    expect(await ok(gateway.api('GET', '/readyz'))).toMatchObject({ status: 'ready', version });
  });
});
