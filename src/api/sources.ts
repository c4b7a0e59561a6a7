import { z } from 'zod';
import { awaitsSecret } from '../domain/awaited-secret.ts';
import { Problem } from '../domain/problem.ts';
import { isRedactionRule } from '../domain/redaction.ts';
import type { SealedSecret, Source } from '../domain/settings.ts';
import { formatDuration } from '../domain/units.ts';
import {
  durationField,
  id,
  idParams,
  instant,
  instantIn,
  isoTime,
  isoTimeOrNull,
  keep,
  name,
  nothing,
  rateLimitIn,
  rateLimitOut,
  rateLimitView,
  record,
  sizeIn,
  tenant,
} from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { keptProtobuf, protobufIn, protobufOut, protobufView } from './protobuf-fields.ts';
import { checkExpression, newKey } from './setting-checks.ts';
import { tenantFor } from './tenancy.ts';
import { getSetting, listSettings, removeSetting } from './setting-operations.ts';

/** A secret as people paste it: white space around it does not count. */
export const secretText = z.string().trim().min(1).max(8_192);

const dedupeIn = z.strictObject({
  key: z.string().max(4_096).nullable().optional().describe('CEL; absent = the event id of the provider'),
  window: durationField('1m', '90d').optional(),
});

const changeable = {
  name,
  enabled: z.boolean().describe('a disabled source answers 410'),
  config: record.describe("the provider's own public fields, see docs/providers.md"),
  verification: record.nullable().describe('declarative scheme, for provider "hmac"'),
  dedupe: dedupeIn.describe('which events are the same, and for how long that is remembered'),
  allowed_ips: z.array(z.string().max(64)).max(200).describe('CIDR blocks; empty = anyone'),
  content_types: z.array(z.string().max(128).toLowerCase()).max(20).describe('media types; empty = any'),
  max_body_bytes: sizeIn.describe('largest body that is taken: bytes, or text such as 64KiB'),
  schema: record.nullable().describe('JSON Schema (2020-12) of the body'),
  protobuf: protobufIn,
  use_catalogue: z
    .boolean()
    .describe('check events against the newest version of their type in the catalogue'),
  on_invalid: z.enum(['reject', 'mark']).describe('what becomes of events that do not fit the schema'),
  rate_limit: rateLimitIn.nullable(),
  redact: z
    .array(
      z
        .string()
        .max(512)
        .refine(isRedactionRule, 'must be a JSON pointer such as /card/number, or the name of a field'),
    )
    .max(100)
    .describe('payload fields whose values nobody is shown: JSON pointers, or names at any depth'),
  expect_every: durationField('1m', '90d')
    .nullable()
    .describe('how long it may bring nothing until source.silent tells you; null = for ever'),
  smee: z.boolean().describe('serve its events to clients of smee.io at smee_url, see docs/listen.md'),
  expires_at: instantIn.nullable().describe('the source is removed then; null = it stays'),
};

const createBody = z
  .strictObject({
    ...changeable,
    provider: z
      .string()
      .min(1)
      .max(64)
      .describe('who sends, e.g. github, stripe, standardwebhooks; or hmac, token, basic, none'),
    secrets: z.array(secretText).max(10).describe('newest first; any of them is accepted'),
    await_secret: z
      .boolean()
      .describe('be without a secret until sources.register, or the handshake of the provider, brings one'),
    tenant,
  })
  .partial()
  .required({ name: true, provider: true });

const secretOut = z.object({
  number: z.int().describe('position, 0 = newest'),
  created_at: instant,
  expires_at: instant.nullable(),
  learned: z.boolean().describe('the provider handed it over in a handshake'),
  shown_at: instant.nullable().describe('when a learned secret was shown, which happens once at most'),
});

/** A source as JSON. Secrets never come back; `url` holds the ingest key. */
export const sourceOut = z.object({
  id,
  name: z.string(),
  tenant: z.string(),
  provider: z.string(),
  url: z.string().describe('where the provider sends to; keep it to yourself'),
  enabled: z.boolean(),
  secrets: z.array(secretOut),
  awaits_secret: z.boolean().describe("whether the provider's handshake may bring a secret now"),
  awaits_secret_until: instant.nullable().describe('`null` = until it comes'),
  covers: z
    .enum(['body', 'metadata', 'nothing'])
    .nullable()
    .describe('what a proof protects; `null` = the settings are not usable'),
  config: record,
  verification: record.nullable(),
  dedupe: z.object({ key: z.string().nullable(), window: z.string() }),
  allowed_ips: z.array(z.string()),
  content_types: z.array(z.string()),
  max_body_bytes: z.int(),
  schema: record.nullable(),
  protobuf: protobufOut,
  use_catalogue: z.boolean(),
  on_invalid: z.enum(['reject', 'mark']),
  rate_limit: rateLimitOut,
  redact: z.array(z.string()),
  expect_every: z.string().nullable(),
  silent_since: instant.nullable().describe('when the last event came, once source.silent was told'),
  smee: z.boolean(),
  smee_url: z.string().nullable().describe('whoever knows it reads the events of this source'),
  expires_at: instant.nullable(),
  created_at: instant,
  updated_at: instant,
});

const changeBody = z.strictObject(changeable).partial();

type Change = z.output<typeof changeBody>;

/** The source as JSON. */
export function sourceView(source: Source, context: OperationContext): z.input<typeof sourceOut> {
  return {
    id: source.id,
    name: source.name,
    tenant: source.tenant,
    provider: source.provider,
    url: `${context.publicUrl}/in/${source.ingestKey}`,
    enabled: source.enabled,
    secrets: source.secrets.map((secret, number) => ({
      number,
      created_at: isoTime(secret.createdAt),
      expires_at: isoTimeOrNull(secret.expiresAt),
      learned: secret.learned === true,
      shown_at: isoTimeOrNull(secret.shownAt ?? null),
    })),
    awaits_secret: awaitsSecret(source, context.gateway.services.clock.now()),
    awaits_secret_until: isoTimeOrNull(source.awaitsSecret?.until ?? null),
    covers: context.gateway.services.verifiers.traits(source)?.covers ?? null,
    config: source.config,
    verification: source.verification,
    dedupe: { key: source.dedupe.key, window: formatDuration(source.dedupe.windowMs) },
    allowed_ips: [...source.allowedIps],
    content_types: [...source.contentTypes],
    max_body_bytes: source.maxBodyBytes,
    schema: source.schema,
    protobuf: protobufView(source.protobuf),
    use_catalogue: source.useCatalogue ?? false,
    on_invalid: source.onInvalid,
    rate_limit: rateLimitView(source.rateLimit),
    redact: [...(source.redact ?? [])],
    expect_every: (source.expectEveryMs ?? null) === null ? null : formatDuration(source.expectEveryMs ?? 0),
    silent_since: isoTimeOrNull(context.gateway.silence.silentSince(source)),
    ...smeeView(source, context),
    expires_at: isoTimeOrNull(source.expiresAt ?? null),
    created_at: isoTime(source.createdAt),
    updated_at: isoTime(source.updatedAt),
  };
}

function changed(source: Source, change: Change, nowMs: number): Source {
  return {
    ...source,
    name: keep(change.name, source.name),
    enabled: keep(change.enabled, source.enabled),
    config: keep(change.config, source.config),
    verification: keep(change.verification, source.verification),
    dedupe: {
      key: keep(change.dedupe?.key, source.dedupe.key),
      windowMs: keep(change.dedupe?.window, source.dedupe.windowMs),
    },
    allowedIps: keep(change.allowed_ips, source.allowedIps),
    contentTypes: keep(change.content_types, source.contentTypes),
    maxBodyBytes: keep(change.max_body_bytes, source.maxBodyBytes),
    schema: keep(change.schema, source.schema),
    protobuf: keptProtobuf(change.protobuf, source.protobuf ?? null),
    useCatalogue: keep(change.use_catalogue, source.useCatalogue ?? false),
    onInvalid: keep(change.on_invalid, source.onInvalid),
    rateLimit: keep(change.rate_limit, source.rateLimit),
    redact: keep(change.redact, source.redact ?? []),
    ...expectation(source, change, nowMs),
    expiresAt: keep(change.expires_at, source.expiresAt ?? null),
    updatedAt: nowMs,
  };
}

/** A source is not late for what was not expected of it, or could not come while it was disabled. */
function expectation(source: Source, change: Change, nowMs: number) {
  const before = source.expectEveryMs ?? null;
  const expectEveryMs = keep(change.expect_every, before);
  const isNew = expectEveryMs !== before || (change.enabled === true && !source.enabled);
  return { expectEveryMs, expectedSince: isNew ? nowMs : (source.expectedSince ?? source.createdAt) };
}

function smeeView({ smeeChannel }: Source, { publicUrl }: OperationContext) {
  const on = smeeChannel !== undefined && smeeChannel !== null;
  return { smee: on, smee_url: on ? `${publicUrl}/smee/${smeeChannel}` : null };
}

/** A channel that is switched on anew is another one: who knew the old one is out. */
function withChannel(source: Source, wanted: boolean | undefined, context: OperationContext): Source {
  if (wanted === undefined) return source;
  if (!wanted) return { ...source, smeeChannel: null };
  const channel = source.smeeChannel ?? newKey(context.gateway.services.random, 32);
  return { ...source, smeeChannel: channel };
}

/** Everything that would make the source unusable, told now and not at the first event. */
function check(source: Source, context: OperationContext): void {
  const { services, directory } = context.gateway;
  const errors = [];
  for (const [index, block] of source.allowedIps.entries()) {
    if (services.addresses.isBlock(block)) continue;
    errors.push({ pointer: `/allowed_ips/${index}`, message: 'must be an address or a CIDR block' });
  }
  if (source.maxBodyBytes > context.limits.maxBodyBytes) {
    errors.push({
      pointer: '/max_body_bytes',
      message: `must be at most ${context.limits.maxBodyBytes}, the server's limit (RINGBACK_MAX_BODY_SIZE)`,
    });
  }
  const schemaProblem = source.schema === null ? null : services.schemas.problem(source.schema);
  if (schemaProblem !== null) {
    errors.push({ pointer: `/schema${schemaProblem.pointer}`, message: schemaProblem.message });
  }
  const broken = source.protobuf ? services.protobufs.problem(source.protobuf) : null;
  if (broken !== null) {
    errors.push({ pointer: `/protobuf${broken.pointer}`, message: broken.message });
  }
  if (errors.length > 0) throw new Problem('validation_failed', 'the source has invalid fields', { errors });
  checkExpression(directory, source.dedupe.key, '/dedupe/key');
  services.verifiers.compile(source, directory.openSecrets(source.secrets, source.id), {
    awaitsSecret: awaitsSecret(source, services.clock.now()),
  });
}

/** Throws a `Problem` that points at each secret which cannot be right, with what to give instead. */
export function checkSecrets(
  context: OperationContext,
  source: Source,
  given: readonly { readonly text: string; readonly pointer: string }[],
): void {
  const { verifiers } = context.gateway.services;
  const errors = given.flatMap(({ text, pointer }) => {
    const message = verifiers.secretMistake(source, text);
    return message === null ? [] : [{ pointer, message }];
  });
  if (errors.length === 0) return;
  const texts = errors.map(({ pointer, message }) => `${pointer}: ${message}`);
  throw new Problem('validation_failed', texts.join('; '), { errors });
}

/** The secret as it lies in the store. */
export function sealSecret(context: OperationContext, sourceId: string, text: string): SealedSecret {
  const { secrets, clock } = context.gateway.services;
  return { sealed: secrets.seal(text, sourceId), createdAt: clock.now(), expiresAt: null };
}

/** Changes a source as it is when earlier changes are saved, checks it, and answers it as JSON. */
export async function changeSource(
  context: OperationContext,
  sourceId: string,
  change: (source: Source) => Source,
): Promise<z.input<typeof sourceOut>> {
  const source = await context.gateway.settings.change('source', sourceId, context.caller, (before) => {
    const after = change(before);
    check(after, context);
    return after;
  });
  return sourceView(source, context);
}

const create = operation({
  name: 'sources.create',
  method: 'POST',
  path: '/v1/sources',
  scope: 'manage',
  summary: 'Create a source: an ingest URL with a verifier',
  params: nothing,
  query: nothing,
  body: createBody,
  output: sourceOut,
  status: 201,
  run: async (context, { body }) => {
    const { services } = context.gateway;
    const now = services.clock.now();
    const sourceId = services.ids.make('src');
    const blank: Source = {
      id: sourceId,
      tenant: tenantFor(context.caller.principal, body.tenant),
      name: body.name,
      provider: body.provider === 'standard-webhooks' ? 'standardwebhooks' : body.provider,
      ingestKey: newKey(services.random, 32),
      enabled: true,
      secrets: (body.secrets ?? []).map((text) => sealSecret(context, sourceId, text)),
      config: {},
      verification: null,
      dedupe: { key: null, windowMs: context.limits.dedupeWindowMs },
      allowedIps: [],
      contentTypes: [],
      maxBodyBytes: context.limits.defaultBodyBytes,
      schema: null,
      protobuf: null,
      useCatalogue: false,
      onInvalid: 'reject',
      rateLimit: null,
      createdAt: now,
      updatedAt: now,
    };
    const source = withChannel(changed(blank, body, now), body.smee, context);
    const given = (body.secrets ?? []).map((text, index) => ({ text, pointer: `/secrets/${index}` }));
    checkSecrets(context, source, given);
    // Who gives no secret lets the provider bring it, if it is one that does.
    const handsOver = services.verifiers.traits(source)?.handsSecretOver === true;
    const isAwaited = body.await_secret ?? (source.secrets.length === 0 && handsOver);
    if (body.await_secret === true) checkMayAwait(source, context, handsOver);
    const made = isAwaited ? { ...source, awaitsSecret: { until: null } } : source;
    check(made, context);
    await context.gateway.settings.save('source', made, context.caller);
    return sourceView(made, context);
  },
});

/** Only where something is there that can bring the secret. */
function checkMayAwait(source: Source, context: OperationContext, handsOver: boolean): void {
  const registrar = context.gateway.services.registrars.of(source.provider);
  if (handsOver || (registrar !== undefined && registrar.secret !== 'account')) return;
  const message = `nothing brings a secret of ${source.provider}: give it under secrets`;
  throw new Problem('validation_failed', message, { errors: [{ pointer: '/await_secret', message }] });
}

const shown = { kind: 'source', resource: 'sources', output: sourceOut, view: sourceView } as const;
const list = listSettings(shown, 'List sources, newest first');

const get = getSetting(shown, 'Show a source');

const update = operation({
  name: 'sources.update',
  method: 'PATCH',
  path: '/v1/sources/{id}',
  scope: 'manage',
  summary: 'Change fields of a source; the others stay',
  params: idParams,
  query: nothing,
  body: changeBody,
  output: sourceOut,
  status: 200,
  run: (context, { params, body }) =>
    changeSource(context, params.id, (source) =>
      withChannel(changed(source, body, context.gateway.services.clock.now()), body.smee, context),
    ),
});

const remove = removeSetting(shown, 'Delete a source; its URL answers 404 from then on, its events stay');

/** Operations on sources: create, list, get, update, delete. Those on their secrets have a list of their own. */
export const sourceOperations = [create, list, get, update, remove];
