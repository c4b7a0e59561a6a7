import { type AsyncAPIDocumentInterface, Parser, type SchemaInterface } from '@asyncapi/parser';
import { describe, expect, test } from 'vitest';
import { type ApiBench, principal, startedApi } from '../../test/support/api-bench.ts';
import { INVOICE_DEFINITION } from '../../test/support/protobuf-definitions.ts';
import { rejection } from '../../test/support/gateway-bench.ts';
import { OPERATOR_EVENT_SCHEMAS } from '../core/operator-event-schemas.ts';
import { JsonSchemas } from '../schemas/json-schemas.ts';
import { asyncApi } from './asyncapi.ts';

const PROTOBUF = { descriptor_set: INVOICE_DEFINITION.descriptorSet, message: INVOICE_DEFINITION.message };

const INVOICE = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://acme.example/invoice',
  $defs: {
    'a/b~c $': {
      $anchor: 'money',
      type: 'object',
      required: ['amount'],
      properties: { amount: { type: 'integer' } },
    },
    node: { type: 'object', properties: { next: { $ref: '#/$defs/node' }, $ref: { type: 'string' } } },
  },
  type: 'object',
  required: ['total'],
  properties: {
    total: { $ref: '#money' },
    tax: { $ref: '#/$defs/a~1b~0c%20$' },
    tree: { $ref: '#/$defs/node' },
    pair: { prefixItems: [{ type: 'string' }, { type: 'number' }], items: false },
    kind: { const: { $ref: 'just a word' } },
  },
  dependentRequired: { tax: ['total'] },
  unevaluatedProperties: false,
};

async function catalogue(api: ApiBench): Promise<void> {
  const create = (body: object) => api.call('event-types.create', { body });
  await create({
    name: 'invoice.paid',
    description: 'An invoice was paid',
    compatibility: 'none',
    versions: [
      { schema: INVOICE, examples: [{ total: { amount: 1 } }] },
      { schema: { type: 'object' }, description: 'Looser' },
      { protobuf: PROTOBUF },
    ],
  });
  await create({ name: 'nothing.said' });
  await create({ name: 'secret.of-other', tenant: 'other', versions: [{ schema: {} }] });
  // Readers follow what looks like a reference, wherever it stands.
  const file = { $ref: '/etc/passwd' };
  await create({ name: 'looks.like', versions: [{ schema: { enum: [file] }, examples: [file] }] });
}

/** As the Language Server Protocol numbers them: 0 is an error. */
const ERRORS: ReadonlySet<number> = new Set([0]);

async function parsed(document: unknown) {
  const { document: read, diagnostics } = await new Parser().parse(JSON.stringify(document));
  const errors = diagnostics.filter(({ severity }) => ERRORS.has(severity));
  if (read === undefined) throw new Error(`it cannot be parsed: ${JSON.stringify(errors)}`);
  return { read, errors };
}

function messagesOf(read: AsyncAPIDocumentInterface, channel: string) {
  return read.channels().get(channel)?.messages().all() ?? [];
}

/** What a schema says at a path of properties. */
function at(schema: SchemaInterface | undefined, ...names: readonly string[]): SchemaInterface | undefined {
  let inner = schema;
  for (const name of names) inner = inner?.properties()?.[name];
  return inner;
}

describe('the catalogue as AsyncAPI', () => {
  test('is valid for the parser of AsyncAPI, and says what there is', async () => {
    const api = await startedApi();
    await catalogue(api);
    const { read, errors } = await parsed(asyncApi(api.context(), '1.2.3', undefined));
    expect(errors).toEqual([]);
    const channels =
      read
        ?.channels()
        .all()
        .map((channel) => channel.id()) ?? [];
    expect(channels).toEqual(
      ['invoice.paid', 'looks.like', 'nothing.said', ...Object.keys(OPERATOR_EVENT_SCHEMAS)].toSorted(),
    );
    const messages = messagesOf(read, 'invoice.paid');
    expect(messages.map((message) => message.name())).toEqual([
      'invoice.paid.v1',
      'invoice.paid.v2',
      'invoice.paid.v3',
    ]);
    expect(messages.map((message) => message.contentType())).toEqual([
      'application/json',
      'application/json',
      'application/x-protobuf',
    ]);
    const [first] = messages;
    expect(at(first?.payload(), 'data', 'total', 'amount')?.type()).toBe('integer');
    expect(at(first?.payload(), 'data', 'tax', 'amount')?.type()).toBe('integer');
    const [example] = first?.examples().all() ?? [];
    expect(example?.payload()).toMatchObject({ type: 'invoice.paid', data: { total: { amount: 1 } } });
  });

  test('is valid with nothing in the catalogue: the own events are there', async () => {
    const { read, errors } = await parsed(asyncApi((await startedApi()).context(), '1', undefined));
    expect(errors).toEqual([]);
    const [died] = messagesOf(read, 'delivery.died');
    expect(at(died?.payload(), 'data')?.required()).toContain('reason');
  });

  test("shows a tenant its own, and nothing of another's", async () => {
    const api = await startedApi();
    await catalogue(api);
    const other = asyncApi(api.context(principal(['read'], 'other')), '1', undefined);
    expect(JSON.stringify(other)).toContain('secret.of-other');
    expect(JSON.stringify(other)).not.toContain('invoice.paid');
    expect(JSON.stringify(asyncApi(api.context(), '1', undefined))).not.toContain('secret.of-other');
    expect(JSON.stringify(asyncApi(api.context(), '1', 'other'))).toContain('secret.of-other');
    const ask = (scopes: 'read' | 'publish', tenant: string) => async () =>
      asyncApi(api.context(principal([scopes], 'other')), '1', tenant);
    expect(await rejection(ask('read', 'default')())).toMatchObject({ code: 'scope_missing' });
    expect(await rejection(ask('publish', 'other')())).toMatchObject({ code: 'scope_missing' });
  });
});

describe("the gateway's own events", () => {
  test('are as their schemas say', async () => {
    const { bench, call } = await startedApi();
    const schemas = new JsonSchemas();
    const destination = await bench.destination();
    await bench.subscription(destination, { types: ['acme.**'] });
    bench.sender.answer(410);
    await bench.publish();
    await bench.clock.advance(0);
    const types = ['destination.disabled', 'delivery.died'] as const;
    for (const type of types) {
      const { data } = await call('events.list', { query: { type } });
      const [{ id = '' } = {}] = data as { id?: string }[];
      const { body } = await call('events.get', { params: { id } });
      const event = JSON.parse(String(body)) as { data: unknown };
      expect(schemas.mismatches(OPERATOR_EVENT_SCHEMAS[type].schema, event.data)).toEqual([]);
    }
  });

  test('have schemas that can be used', () => {
    for (const { schema } of Object.values(OPERATOR_EVENT_SCHEMAS)) {
      expect(new JsonSchemas().problem(schema)).toBeNull();
    }
  });
});
