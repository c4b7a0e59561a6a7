import { createHmac } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { bytes, rejection, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import type { Source } from '../domain/settings.ts';
import { settled } from '../testing/fake-clock.ts';
import { createVerifiers } from '../verifiers/verifiers.ts';

async function arrange(overrides: Partial<Source> = {}) {
  const bench = await startedBench({ services: { verifiers: createVerifiers() } });
  const waiting = { provider: 'asana', secrets: [], config: {}, awaitsSecret: { until: null } };
  const source = await bench.source({ ...waiting, ...overrides });
  return { bench, source };
}

function present(bench: Bench, { id }: Source): Source {
  const source = bench.gateway.directory.get('source', id);
  if (source === undefined) throw new Error('the source is gone');
  return source;
}

/** As Asana introduces itself: no proof, and the secret in a header. */
function handOver(bench: Bench, source: Source, secret: string) {
  return bench.receive(source, { 'x-hook-secret': secret }, { body: bytes('{}') });
}

function sendSigned(bench: Bench, source: Source, secret: string) {
  const body = bytes('{"events":[]}');
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return bench.receive(source, { 'x-hook-signature': signature }, { body });
}

function opened(bench: Bench, source: Source): string[] {
  return bench.gateway.directory.openSecrets(present(bench, source).secrets, source.id);
}

describe('a source that waits for its secret', () => {
  test('keeps the first one that comes, sealed, and takes events signed with it', async () => {
    const { bench, source } = await arrange();
    expect(await rejection(sendSigned(bench, source, 's1'))).toMatchObject({
      code: 'source_not_ready',
      status: 503,
      retryAfterS: 30,
    });
    expect(await handOver(bench, source, 's1')).toMatchObject({
      kind: 'handshake',
      answer: { status: 200, headers: { 'x-hook-secret': 's1' } },
    });
    expect(present(bench, source)).toMatchObject({
      awaitsSecret: null,
      secrets: [{ sealed: `sealed:${source.id}:s1`, learned: true }],
    });
    expect(await sendSigned(bench, source, 's1')).toMatchObject({ kind: 'accepted', duplicate: false });
  });

  test('gives nobody a second chance', async () => {
    const { bench, source } = await arrange();
    await handOver(bench, source, 's1');
    expect(await rejection(handOver(bench, source, 'stranger'))).toMatchObject({ code: 'signature_missing' });
    expect(opened(bench, source)).toEqual(['s1']);
  });

  test('keeps one of two that come at the same time, and refuses the other', async () => {
    const { bench, source } = await arrange();
    const answers = await Promise.allSettled([
      handOver(bench, source, 's1'),
      handOver(bench, source, 's2'),
      handOver(bench, source, 's3'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(opened(bench, source)).toEqual(['s1']);
  });

  test('tells its owner, and the audit log who called', async () => {
    const { bench, source } = await arrange();
    await handOver(bench, source, 's1');
    await settled();
    const { items } = await bench.store.settings.changes(
      { settingId: source.id },
      { limit: 9, before: null },
    );
    expect(items[0]).toMatchObject({
      action: 'updated',
      principal: 'gateway',
      remoteAddress: '192.0.2.1',
    });
    const events = await bench.store.queries.events({}, { limit: 9, before: null });
    expect(events.items[0]).toMatchObject({ type: 'source.secret_learned', key: source.id });
    expect(JSON.stringify([items, events.items, bench.log.lines])).not.toContain('s1');
  });

  test('has the provider ask again when the secret cannot be kept', async () => {
    const { bench, source } = await arrange();
    vi.spyOn(bench.store.settings, 'put').mockRejectedValueOnce(new Error('disk full'));
    expect(await rejection(handOver(bench, source, 's1'))).toMatchObject({ code: 'store_unavailable' });
    expect(await handOver(bench, source, 's1')).toMatchObject({ kind: 'handshake' });
    expect(opened(bench, source)).toEqual(['s1']);
  });

  test('takes no secret of an absurd length', async () => {
    const { bench, source } = await arrange();
    expect(await rejection(handOver(bench, source, 'x'.repeat(513)))).toMatchObject({
      code: 'source_not_ready',
    });
    expect(present(bench, source).secrets).toEqual([]);
  });
});

describe('a source that does not wait', () => {
  test('learns nothing, also when all of its secrets have expired', async () => {
    const expired = { sealed: 'old', createdAt: 1, expiresAt: 2 };
    const { bench, source } = await arrange({ secrets: [expired], awaitsSecret: null });
    expect(await rejection(handOver(bench, source, 's1'))).toMatchObject({ code: 'source_not_ready' });
    expect(present(bench, source).secrets).toEqual([expired]);
  });

  test('keeps nothing of the secret that it refused', async () => {
    const { bench, source } = await arrange({ provider: 'notion', awaitsSecret: null });
    const body = bytes('{"verification_token":"secret_of_notion"}');
    await rejection(bench.receive(source, {}, { body }));
    const asana = await bench.source({ provider: 'asana', config: {}, awaitsSecret: null });
    await rejection(handOver(bench, asana, 'secret_of_asana'));
    await bench.gateway.rejections.flush();
    const { items } = await bench.store.queries.rejections({}, { limit: 9, before: null });
    expect(items).toHaveLength(2);
    const kept = items.map((item) => [...item.headers, item.path, new TextDecoder().decode(item.body)]);
    expect(JSON.stringify(kept)).not.toContain('secret_of');
  });

  test('waits again when it is told to, for so long, beside the secrets that it has', async () => {
    const { bench, source } = await arrange({ awaitsSecret: null });
    const until = bench.clock.now() + 60_000;
    const waiting = { ...present(bench, source), secrets: [], awaitsSecret: { until } };
    const secrets = [{ sealed: 's0', createdAt: 1, expiresAt: null }];
    await bench.source({ ...waiting, secrets });
    expect(await handOver(bench, source, 's1')).toMatchObject({ kind: 'handshake' });
    expect(opened(bench, source)).toEqual(['s1', 's0']);
    expect(await sendSigned(bench, source, 's0')).toMatchObject({ kind: 'accepted' });

    await bench.source({ ...waiting, secrets });
    // Compiled while it waits, so that the wait must end by itself.
    expect(await sendSigned(bench, source, 's0')).toMatchObject({ kind: 'accepted' });
    await bench.clock.advance(60_000);
    expect(await rejection(handOver(bench, source, 's2'))).toMatchObject({ code: 'signature_missing' });
    expect(opened(bench, source)).toEqual(['s0']);
  });
});
