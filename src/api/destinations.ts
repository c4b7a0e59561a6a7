import { z } from 'zod';
import { RESERVED_HEADERS } from '../core/outbound-request.ts';
import { type FieldError, Problem } from '../domain/problem.ts';
import type { Destination, SealedSecret } from '../domain/settings.ts';
import { formatDuration } from '../domain/units.ts';
import { authIn, authOf, authOut, authView, tlsIn, tlsOf, tlsOut, tlsView } from './destination-auth.ts';
import {
  durationField,
  headerText,
  id,
  idParams,
  instant,
  isoTime,
  isoTimeOrNull,
  name,
  nothing,
  rateLimitIn,
  rateLimitOut,
  rateLimitView,
  tenant,
} from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { publicKeyOf } from './public-keys.ts';
import { tenantFor } from './tenancy.ts';
import { getSetting, listSettings, removeSetting } from './setting-operations.ts';

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

const headersIn = z.record(z.string(), headerText).superRefine((headers, context) => {
  for (const header of Object.keys(headers)) {
    if (!HEADER_NAME.test(header)) {
      context.addIssue({ code: 'custom', path: [header], message: 'is not a header name' });
    } else if (RESERVED_HEADERS.test(header.toLowerCase())) {
      context.addIssue({
        code: 'custom',
        path: [header],
        message: 'is set by Ringback and cannot be replaced',
      });
    }
  }
});

const signingIn = z.strictObject({
  scheme: z.enum(['standard', 'standard-ed25519', 'none']).default('standard'),
  secret: z.string().trim().max(256).optional().describe('absent = one is made and shown once'),
});

const changeable = {
  name,
  url: z.string().min(1).max(2_048).describe('where events are sent to'),
  headers: headersIn.describe('sent with every attempt'),
  timeout: durationField('100ms', '5m').describe('how long an attempt may take, from 100ms to 5m'),
  max_in_flight: z.int().min(1).max(1_000).describe('attempts at the same time'),
  rate_limit: rateLimitIn.nullable(),
  auth: authIn.nullable().describe('credentials that are sent along'),
  tls: tlsIn.nullable().describe('a client certificate, and authorities of its own'),
  allow_own_ingest: z
    .boolean()
    .describe('let the url be an ingest URL of this gateway; events may then go in circles'),
};

const createBody = z
  .strictObject({
    ...changeable,
    kind: z.literal('webhook').describe('how events are sent'),
    signing: signingIn.describe('how attempts are signed'),
    tenant,
  })
  .partial()
  .required({ name: true, url: true });
const changeBody = z.strictObject(changeable).partial();

/** A destination as JSON. Secrets never come back: only when each was made and until when it counts. */
export const destinationOut = z.object({
  id,
  name: z.string(),
  tenant: z.string(),
  kind: z.literal('webhook'),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  timeout: z.string(),
  max_in_flight: z.int(),
  rate_limit: rateLimitOut,
  signing: z.object({
    scheme: z.enum(['standard', 'standard-ed25519', 'none']),
    secrets: z.array(
      z.object({
        created_at: instant,
        expires_at: instant.nullable(),
        public_key: z
          .string()
          .nullable()
          .describe('whpk_ key that receivers verify with; null unless the scheme is standard-ed25519'),
      }),
    ),
  }),
  auth: authOut,
  tls: tlsOut,
  allow_own_ingest: z.boolean(),
  state: z.enum(['enabled', 'paused', 'disabled']),
  state_reason: z.string().nullable(),
  state_changed_at: instant,
  created_at: instant,
  updated_at: instant,
});

const destinationWithSecretOut = destinationOut.extend({
  secret: z.string().nullable().describe('the signing secret, shown this once; null when nothing is signed'),
});

/** How long the old secret signs too, unless the caller says otherwise. */
const DEFAULT_GRACE_MS = 24 * 3_600_000;
const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_MAX_IN_FLIGHT = 64;

/** A destination as `destinationOut` describes it. */
export function destinationView(
  context: OperationContext,
  destination: Destination,
): z.input<typeof destinationOut> {
  return {
    id: destination.id,
    name: destination.name,
    tenant: destination.tenant,
    kind: destination.kind,
    url: destination.url,
    headers: { ...destination.headers },
    timeout: formatDuration(destination.timeoutMs),
    max_in_flight: destination.maxInFlight,
    rate_limit: rateLimitView(destination.rateLimit),
    signing: {
      scheme: destination.signing,
      secrets: destination.secrets.map((secret) => ({
        created_at: isoTime(secret.createdAt),
        expires_at: isoTimeOrNull(secret.expiresAt),
        public_key: publicKeyOf(context.gateway, destination, secret),
      })),
    },
    auth: authView(destination.auth),
    tls: tlsView(destination.tls),
    allow_own_ingest: destination.allowOwnIngest ?? false,
    state: destination.state,
    state_reason: destination.stateReason,
    state_changed_at: isoTime(destination.stateChangedAt),
    created_at: isoTime(destination.createdAt),
    updated_at: isoTime(destination.updatedAt),
  };
}

function seal(context: OperationContext, destinationId: string, text: string): SealedSecret {
  const { secrets, clock } = context.gateway.services;
  return { sealed: secrets.seal(text, destinationId), createdAt: clock.now(), expiresAt: null };
}

function changed(
  context: OperationContext,
  destination: Destination,
  change: z.output<typeof changeBody>,
): Destination {
  const { clock, tlsIdentities } = context.gateway.services;
  const sealed = (text: string): SealedSecret => seal(context, destination.id, text);
  return {
    ...destination,
    name: change.name ?? destination.name,
    url: change.url ?? destination.url,
    headers: change.headers ?? destination.headers,
    timeoutMs: change.timeout ?? destination.timeoutMs,
    maxInFlight: change.max_in_flight ?? destination.maxInFlight,
    rateLimit: change.rate_limit === undefined ? destination.rateLimit : change.rate_limit,
    auth: change.auth === undefined ? destination.auth : authOf(change.auth, sealed),
    tls: change.tls === undefined ? (destination.tls ?? null) : tlsOf(change.tls, tlsIdentities, sealed),
    allowOwnIngest: change.allow_own_ingest ?? destination.allowOwnIngest ?? false,
    updatedAt: clock.now(),
  };
}

/**
 * Whether events sent there come back in here. The ingest key is looked for whatever the host: a gateway
 * is reached by more names than it knows, and the key is long enough to be nobody else's.
 */
function isOwnIngest(context: OperationContext, url: string): boolean {
  if (!URL.canParse(url)) return false;
  const segments = new URL(url).pathname.split('/');
  const { directory } = context.gateway;
  const namesKey = segments.some(
    (segment, index) =>
      segments[index - 1] === 'in' && directory.sourceByIngestKey(decoded(segment)) !== undefined,
  );
  return (
    namesKey || new URL(url).href.startsWith(`${new URL(context.publicUrl).href.replace(/\/$/, '')}/in/`)
  );
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Everything that would make the destination unusable, told now and not at the first delivery. */
function checked(context: OperationContext, destination: Destination): Destination {
  const { addresses } = context.gateway.services;
  const errors: FieldError[] = [];
  const check = (pointer: string, message: string | null): void => {
    if (message !== null) errors.push({ pointer, message });
  };
  if (destination.allowOwnIngest !== true && isOwnIngest(context, destination.url)) {
    check(
      '/url',
      'is an ingest URL of this gateway, so events could go in circles; allow_own_ingest permits it',
    );
  }
  check('/url', addresses.refuseUrl(destination.url));
  if (destination.auth?.kind === 'oauth2') {
    check('/auth/token_url', addresses.refuseUrl(destination.auth.tokenUrl));
  }
  if ((destination.tls ?? null) !== null && !/^https:/i.test(destination.url)) {
    check('/tls', 'is of use only with an https url');
  }
  if (errors.length > 0) {
    const fields = errors.map(({ pointer, message }) => `${pointer.slice(1)}: ${message}`);
    throw new Problem('validation_failed', fields.join('; '), { errors });
  }
  return destination;
}

function newSecret(
  context: OperationContext,
  scheme: Destination['signing'],
  given: string | undefined,
): string | null {
  if (scheme === 'none') return null;
  const { signer } = context.gateway.services;
  const secret = given ?? signer.generate(scheme);
  const message = signer.check(scheme, secret);
  if (message === null) return secret;
  throw new Problem('validation_failed', `signing secret: ${message}`, {
    errors: [{ pointer: '/signing/secret', message }],
  });
}

const create = operation({
  name: 'destinations.create',
  method: 'POST',
  path: '/v1/destinations',
  scope: 'manage',
  summary: 'Create a destination; its signing secret is shown once, in the answer',
  params: nothing,
  query: nothing,
  body: createBody,
  output: destinationWithSecretOut,
  status: 201,
  run: async (context, { body }) => {
    const { services } = context.gateway;
    const now = services.clock.now();
    const destinationId = services.ids.make('dst');
    const scheme = body.signing?.scheme ?? 'standard';
    const secret = newSecret(context, scheme, body.signing?.secret);
    const blank: Destination = {
      id: destinationId,
      tenant: tenantFor(context.caller.principal, body.tenant),
      name: body.name,
      kind: 'webhook',
      url: body.url,
      headers: {},
      timeoutMs: DEFAULT_TIMEOUT_MS,
      maxInFlight: DEFAULT_MAX_IN_FLIGHT,
      rateLimit: null,
      signing: scheme,
      secrets: secret === null ? [] : [seal(context, destinationId, secret)],
      auth: null,
      state: 'enabled',
      stateReason: null,
      stateChangedAt: now,
      createdAt: now,
      updatedAt: now,
    };
    const destination = changed(context, blank, body);
    await context.gateway.settings.save('destination', checked(context, destination), context.caller);
    return { ...destinationView(context, destination), secret };
  },
});

const shown = {
  kind: 'destination',
  resource: 'destinations',
  output: destinationOut,
  view: (destination: Destination, context: OperationContext) => destinationView(context, destination),
} as const;
const list = listSettings(shown, 'List destinations, newest first');

const get = getSetting(shown, 'Show a destination');

const update = operation({
  name: 'destinations.update',
  method: 'PATCH',
  path: '/v1/destinations/{id}',
  scope: 'manage',
  summary: 'Change fields of a destination; the others stay',
  params: idParams,
  query: nothing,
  body: changeBody,
  output: destinationOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings } = context.gateway;
    const destination = await settings.change('destination', params.id, context.caller, (before) =>
      checked(context, changed(context, before, body)),
    );
    return destinationView(context, destination);
  },
});

const remove = removeSetting(
  shown,
  'Delete a destination; what it is still owed is cancelled',
  (destination, { gateway }) => {
    const users = gateway.directory
      .list('subscription')
      .filter(({ destinationId }) => destinationId === destination.id);
    if (users.length === 0) return;
    const names = users.map((subscription) => subscription.name).join(', ');
    throw new Problem('conflict', `subscriptions send to it: ${names}; delete or change them first`);
  },
);

const rotateSecret = operation({
  name: 'destinations.rotate-secret',
  method: 'POST',
  path: '/v1/destinations/{id}/rotate-secret',
  scope: 'manage',
  summary: 'Make a new signing secret; the old one signs too until its grace time ends',
  params: idParams,
  query: nothing,
  body: z.strictObject({
    secret: z.string().trim().max(256).optional().describe('absent = one is made and shown once'),
    grace: durationField('0s', '30d').optional().describe('how long both sign, default 24h'),
  }),
  output: destinationWithSecretOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings, services } = context.gateway;
    const { signing } = settings.find('destination', params.id, context.caller.principal);
    const secret = newSecret(context, signing, body.secret);
    if (secret === null)
      throw new Problem('conflict', 'the destination signs nothing, so there is no secret');
    const now = services.clock.now();
    const endsAt = now + (body.grace ?? DEFAULT_GRACE_MS);
    const destination = await settings.change('destination', params.id, context.caller, (before) => {
      const previous = before.secrets
        .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
        .map((old) => ({ ...old, expiresAt: Math.min(old.expiresAt ?? endsAt, endsAt) }));
      const secrets = [seal(context, before.id, secret), ...previous];
      return checked(context, { ...before, secrets, updatedAt: now });
    });
    return { ...destinationView(context, destination), secret };
  },
});

/** Operations on destinations: create, list, get, update, delete, rotate the secret. */
export const destinationOperations = [create, list, get, update, remove, rotateSecret];
