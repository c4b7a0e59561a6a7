import { z } from 'zod';
import { Problem } from '../domain/problem.ts';
import type { Source, SourceSecret } from '../domain/settings.ts';
import { durationField, id, idParams, instant, isoTime, nothing } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { changeSource, checkSecrets, sealSecret, secretText, sourceOut } from './sources.ts';

const numberParams = z.strictObject({ id, number: z.coerce.number().int().min(0) });
/** Long enough to go through a provider's form. */
const DEFAULT_WAIT_MS = 3_600_000;

const addSecret = operation({
  name: 'sources.add-secret',
  method: 'POST',
  path: '/v1/sources/{id}/secrets',
  scope: 'manage',
  summary: 'Add a secret as the newest; the ones before stay valid until they expire',
  params: idParams,
  query: nothing,
  body: z.strictObject({
    secret: secretText.describe('what the sender signs with'),
    previous_expire_in: durationField('0s', '90d').optional().describe('when the ones before stop counting'),
  }),
  output: sourceOut,
  status: 201,
  run: (context, { params, body }) => {
    const before = context.gateway.settings.find('source', params.id, context.caller.principal);
    checkSecrets(context, before, [{ text: body.secret, pointer: '/secret' }]);
    const now = context.gateway.services.clock.now();
    const expiresAt = body.previous_expire_in === undefined ? null : now + body.previous_expire_in;
    return changeSource(context, params.id, (source) => {
      const previous = source.secrets.map((secret) =>
        expiresAt === null
          ? secret
          : { ...secret, expiresAt: Math.min(secret.expiresAt ?? expiresAt, expiresAt) },
      );
      const secrets = [sealSecret(context, source.id, body.secret), ...previous];
      return { ...source, secrets, updatedAt: now };
    });
  },
});

const removeSecret = operation({
  name: 'sources.remove-secret',
  method: 'DELETE',
  path: '/v1/sources/{id}/secrets/{number}',
  scope: 'manage',
  summary: 'Remove a secret by its position, 0 = newest',
  params: numberParams,
  query: nothing,
  body: nothing,
  output: sourceOut,
  status: 200,
  run: (context, { params }) => {
    const now = context.gateway.services.clock.now();
    return changeSource(context, params.id, (source) => {
      if (source.secrets[params.number] === undefined) {
        throw new Problem('not_found', `the source has no secret ${params.number}`);
      }
      const secrets = source.secrets.filter((_, index) => index !== params.number);
      return { ...source, secrets, updatedAt: now };
    });
  },
});

const awaitSecret = operation({
  name: 'sources.await-secret',
  method: 'POST',
  path: '/v1/sources/{id}/await-secret',
  scope: 'manage',
  summary: "Let the provider's next handshake bring a secret; the ones before stay valid",
  description:
    'For providers that hand their secret over in an unsigned request, such as asana and notion. A source made without secrets waits by itself; ask for it again when the webhook was made anew at the provider. The first secret that comes ends the wait.',
  params: idParams,
  query: nothing,
  body: z.strictObject({ for: durationField('1m', '7d').optional().describe('how long; default 1h') }),
  output: sourceOut,
  status: 200,
  run: (context, { params, body }) => {
    const { settings, services } = context.gateway;
    const source = settings.find('source', params.id, context.caller.principal);
    if (services.verifiers.traits(source)?.handsSecretOver !== true) {
      throw new Problem(
        'conflict',
        `${source.provider} hands over no secret: copy it from there and add it with sources.add-secret`,
      );
    }
    const now = services.clock.now();
    const until = now + (body.for ?? DEFAULT_WAIT_MS);
    return changeSource(context, source.id, (before) => ({
      ...before,
      awaitsSecret: { until },
      updatedAt: now,
    }));
  },
});

const showSecret = operation({
  name: 'sources.show-secret',
  method: 'POST',
  path: '/v1/sources/{id}/secrets/{number}/show',
  scope: 'manage',
  summary: 'Show, once, a secret that a handshake brought and that the provider wants to be told',
  params: numberParams,
  query: nothing,
  body: nothing,
  output: z.object({ secret: z.string(), shown_at: instant }),
  status: 200,
  run: async (context, { params }) => {
    const { settings, services } = context.gateway;
    const { id: sourceId } = settings.find('source', params.id, context.caller.principal);
    const now = services.clock.now();
    // Noted before it is shown: whoever asks at the same time does not see it too.
    const source = await settings.rewrite('source', sourceId, context.caller, (present) => {
      checkShowable(context, present, params.number);
      const secrets = present.secrets.map((secret, number) =>
        number === params.number ? { ...secret, shownAt: now } : secret,
      );
      return { ...present, secrets, updatedAt: now };
    });
    const sealed = source?.secrets[params.number]?.sealed ?? '';
    return { secret: services.secrets.open(sealed, sourceId), shown_at: isoTime(now) };
  },
});

function checkShowable(context: OperationContext, source: Source, number: number): void {
  const secret: SourceSecret | undefined = source.secrets[number];
  if (secret === undefined) throw new Problem('not_found', `the source has no secret ${number}`);
  const wantsBack = context.gateway.services.verifiers.traits(source)?.wantsSecretBack === true;
  if (secret.learned !== true || !wantsBack) {
    throw new Problem(
      'conflict',
      'only a secret that a handshake brought, and that the provider asks for, is shown',
    );
  }
  if (secret.shownAt !== undefined) {
    throw new Problem(
      'conflict',
      `the secret was shown at ${isoTime(secret.shownAt)}: have the provider send it again, after sources.await-secret`,
    );
  }
}

/** Operations on the secrets of a source. */
export const sourceSecretOperations = [addSecret, removeSecret, awaitSecret, showSecret];
