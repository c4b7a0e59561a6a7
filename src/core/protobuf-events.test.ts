import { describe, expect, test } from 'vitest';
import { type ApiBench, operationNamed, startedApi } from '../../test/support/api-bench.ts';
import { type Bench, bytes, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import {
  definition,
  INVOICE_DEFINITION,
  INVOICE_FIELDS,
  LINE,
  Type,
} from '../../test/support/protobuf-definitions.ts';
import { headerValue } from '../domain/event.ts';
import { DescriptorProtobufs } from '../schemas/protobufs.ts';
import { settled } from '../testing/fake-clock.ts';

const protobufs = new DescriptorProtobufs();
const PROTOBUF = { descriptor_set: INVOICE_DEFINITION.descriptorSet, message: INVOICE_DEFINITION.message };
const BINARY = { 'content-type': 'application/x-protobuf' };

function invoice(value: unknown, of = INVOICE_DEFINITION): Uint8Array {
  const encoded = protobufs.encode(of, value);
  if (!encoded.ok) throw new Error(encoded.error);
  return encoded.bytes;
}

async function lastEvent(bench: Bench) {
  const { items } = await bench.store.queries.events({}, { limit: 1, before: null });
  return bench.store.queries.event(items[0]?.id ?? '');
}

describe('a source of messages', () => {
  test('keeps and forwards the bytes; filters, transforms and schemas see them as JSON', async () => {
    const bench = await startedBench();
    const schema = { required: ['amount'], properties: { amount: { minimum: 1 } } };
    const source = await bench.source({ protobuf: INVOICE_DEFINITION, schema });
    const raw = await bench.destination();
    await bench.subscription(raw, { filter: 'data.amount > 5 && data.lines[0].sku == "a"' });
    const made = await bench.destination();
    await bench.subscription(made, { transform: '{"id": data.invoiceId}' });
    const body = invoice({ invoiceId: 'in_1', amount: 7, lines: [{ sku: 'a' }] });
    await bench.receive(source, BINARY, { body });
    await settled();
    expect((await lastEvent(bench))?.body).toEqual(body);
    const sent = new Map(bench.sender.requests.map((request) => [request.url, request]));
    expect(sent.get(raw.url)?.body).toEqual(body);
    expect(headerValue(sent.get(raw.url)?.headers ?? [], 'content-type')).toBe('application/x-protobuf');
    expect(new TextDecoder().decode(sent.get(made.url)?.body)).toBe('{"id":"in_1"}');
    const refused = await rejection(bench.receive(source, BINARY, { body: invoice({ amount: 0 }) }));
    expect(refused).toMatchObject({ code: 'schema_mismatch', errors: [{ pointer: '/amount' }] });
  });

  test('refuses what is no such message, or marks it', async () => {
    const bench = await startedBench();
    const strict = await bench.source({ protobuf: INVOICE_DEFINITION });
    const refused = await rejection(bench.receive(strict, BINARY, { body: bytes('{"a":1}') }));
    expect(refused).toMatchObject({ code: 'schema_mismatch', status: 422 });
    expect(String(refused)).toMatch(/is not a message acme.Invoice/);
    const lax = await bench.source({ protobuf: INVOICE_DEFINITION, onInvalid: 'mark' });
    await bench.receive(lax, BINARY, { body: bytes('{"a":1}') });
    expect((await lastEvent(bench))?.origin.invalid).toMatch(/is not a message/);
  });

  test('takes the JSON form of the message too, by its content type', async () => {
    const bench = await startedBench();
    const source = await bench.source({ protobuf: INVOICE_DEFINITION });
    const json = { 'content-type': 'application/json' };
    await bench.receive(source, json, { body: bytes('{"amount":3}') });
    const refused = await rejection(bench.receive(source, json, { body: bytes('{"amount":"x"}') }));
    expect(refused).toMatchObject({ code: 'schema_mismatch' });
  });

  test.each([
    [{ protobuf: { ...PROTOBUF, message: 'acme.None' } }, '/protobuf/message'],
    [{ protobuf: { ...PROTOBUF, descriptor_set: 'AAAA' } }, '/protobuf/descriptor_set'],
    [{ protobuf: { ...PROTOBUF, descriptor_set: 'A???' } }, '/protobuf/descriptor_set'],
    [{ protobuf: { message: 'a' } }, '/protobuf/descriptor_set'],
  ])('%j is refused at %s', async (fields, pointer) => {
    const { call } = await startedApi();
    const body = { name: 's', provider: 'hmac', secrets: ['x'], ...fields };
    expect(await rejection(call('sources.create', { body }))).toMatchObject({
      status: 422,
      errors: expect.arrayContaining([expect.objectContaining({ pointer })]),
    });
  });
});

async function catalogue(): Promise<ApiBench & { id: string }> {
  const api = await startedApi();
  const { id = '' } = await api.call('event-types.create', {
    body: { name: 'invoice.paid', versions: [{ protobuf: PROTOBUF, examples: [{ amount: 1 }] }] },
  });
  return { ...api, id };
}

function publishBinary(api: ApiBench, body: Uint8Array, more: readonly string[] = []) {
  const attributes = ['ce-specversion', '1.0', 'ce-id', 'one', 'ce-source', '/s', 'ce-type', 'invoice.paid'];
  const context = api.context(undefined, ['content-type', 'application/protobuf', ...attributes, ...more]);
  return Promise.resolve(operationNamed('events.publish').raw?.(context, body));
}

describe('an event type of messages', () => {
  const RENAMED = definition(
    INVOICE_FIELDS.map((field) =>
      field.name === 'amount' ? { ...field, name: 'total', type: Type.INT64 } : field,
    ),
    { nested: [LINE] },
  );

  test('is checked in a binary CloudEvent, which goes out as it came', async () => {
    const api = await catalogue();
    const destination = await api.bench.destination();
    await api.bench.subscription(destination, { filter: 'data.amount == 7' });
    const body = invoice({ amount: 7 });
    await publishBinary(api, body);
    await settled();
    expect(api.bench.sender.requests.map((request) => request.body)).toEqual([body]);
    const refused = await rejection(publishBinary(api, new Uint8Array([0xff])));
    expect(refused).toMatchObject({ code: 'schema_mismatch', errors: [{ pointer: '' }] });
  });

  test('is checked as JSON where it is published as JSON, and in base64 in a structured CloudEvent', async () => {
    const api = await catalogue();
    const publish = (data: unknown) => api.call('events.publish', { body: { type: 'invoice.paid', data } });
    await publish({ amount: 1 });
    expect(await rejection(publish({ amount: 'x' }))).toMatchObject({ code: 'schema_mismatch' });
    const destination = await api.bench.destination();
    await api.bench.subscription(destination, { transform: '{"amount": data.amount}' });
    const event = { specversion: '1.0', id: '1', source: '/s', type: 'invoice.paid' };
    const structured = (data_base64: string) => {
      const context = api.context(undefined, ['content-type', 'application/cloudevents+json']);
      const body = bytes(JSON.stringify({ ...event, data_base64 }));
      return Promise.resolve(operationNamed('events.publish').raw?.(context, body));
    };
    await structured(Buffer.from(invoice({ amount: 9 })).toString('base64'));
    await settled();
    expect(new TextDecoder().decode(api.bench.sender.requests[0]?.body)).toBe('{"amount":9}');
    expect(await rejection(structured('/w=='))).toMatchObject({ code: 'schema_mismatch' });
  });

  test('is decoded at a source that uses the catalogue', async () => {
    const { bench } = await catalogue();
    const source = await bench.source({ useCatalogue: true });
    const headers = { ...BINARY, 'x-type': 'invoice.paid' };
    await bench.receive(source, headers, { body: invoice({ amount: 7 }) });
    expect((await lastEvent(bench))?.origin).toMatchObject({ typeVersion: 1, protobuf: 'type' });
    expect(await rejection(bench.receive(source, headers, { body: bytes('x') }))).toMatchObject({
      code: 'schema_mismatch',
    });
  });

  test('refuses a version that breaks it, and examples that are none', async () => {
    const api = await catalogue();
    const protobuf = { descriptor_set: RENAMED.descriptorSet, message: RENAMED.message };
    const add = (body: object) => api.call('event-types.add-version', { params: { id: api.id }, body });
    const broken = await rejection(add({ protobuf }));
    expect(broken).toMatchObject({
      code: 'schema_incompatible',
      errors: [{ pointer: '/protobuf' }, { pointer: '/protobuf' }],
    });
    expect(String(broken)).toMatch(/total \(2\) was called amount before/);
    expect(await rejection(add({ schema: {} }))).toMatchObject({
      code: 'schema_incompatible',
      errors: [{ pointer: '/protobuf' }],
    });
    expect(await rejection(add({ protobuf: PROTOBUF, examples: [{ amount: 'x' }] }))).toMatchObject({
      code: 'validation_failed',
      errors: [{ pointer: '/examples/0' }],
    });
  });

  test('is converted into bytes of the version asked for', async () => {
    const api = await catalogue();
    await api.call('event-types.update', { params: { id: api.id }, body: { compatibility: 'none' } });
    await api.call('event-types.add-version', {
      params: { id: api.id },
      body: {
        protobuf: { descriptor_set: RENAMED.descriptorSet, message: RENAMED.message },
        up: '{"total": string(data.amount)}',
        down: '{"amount": int(data.total)}',
      },
    });
    const destination = await api.bench.destination();
    await api.bench.subscription(destination, {
      typeVersions: { 'invoice.paid': 1 },
      filter: 'data.amount == 7',
    });
    await publishBinary(api, invoice({ total: '7' }, RENAMED));
    await settled();
    const [request] = api.bench.sender.requests;
    expect(request?.body).toEqual(invoice({ amount: 7 }));
    expect(headerValue(request?.headers ?? [], 'content-type')).toBe('application/protobuf');
    expect(headerValue(request?.headers ?? [], 'ringback-type-version')).toBe('1');
  });
});
