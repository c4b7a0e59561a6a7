import { expect, test } from 'vitest';
import { INVOICE_DEFINITION } from '../../test/support/protobuf-definitions.ts';
import { DescriptorProtobufs } from '../schemas/protobufs.ts';
import { buildSource } from '../testing/setting-builders.ts';
import { createVerifiers } from './verifiers.ts';

test('the identity of a message is read from its fields, once it is proven', () => {
  const protobufs = new DescriptorProtobufs();
  const source = buildSource({
    provider: 'token',
    config: { header_name: 'x-token', idFrom: 'json:invoiceId', keyFrom: 'json:amount' },
    protobuf: INVOICE_DEFINITION,
  });
  const verifier = createVerifiers({ protobufs }).compile(source, ['right']);
  const encoded = protobufs.encode(INVOICE_DEFINITION, { invoiceId: 'in_1', amount: 7 });
  const body = encoded.ok ? encoded.bytes : new Uint8Array();
  const request = (token: string) => ({
    method: 'POST',
    url: 'https://gateway.example/in/x',
    headers: ['content-type', 'application/x-protobuf', 'x-token', token],
    body,
    nowMs: 0,
  });
  expect(verifier.verify(request('right'))).toMatchObject({
    ok: true,
    event: { id: 'in_1', key: '7' },
    json: { invoiceId: 'in_1', amount: 7, lines: [] },
  });
  expect(verifier.verify(request('wrong'))).toMatchObject({ ok: false });
});
