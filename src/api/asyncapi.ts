import { OPERATOR_EVENT_SCHEMAS } from '../core/operator-event-schemas.ts';
import { mayDo } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { isRecord } from '../domain/json-record.ts';
import { NO_SUBSCHEMAS, resolve, SUBSCHEMA_MAPS } from '../domain/schema-nodes.ts';
import type { EventType, EventTypeVersion } from '../domain/settings.ts';
import { isoTime } from './fields.ts';
import type { OperationContext } from './operation.ts';
import { tenantFor } from './tenancy.ts';

type Json = Record<string, unknown>;

/** One version of the data of a type, wherever the type is from. */
interface Message {
  readonly type: string;
  readonly version: number;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly protobufMessage: string | null;
  readonly examples: readonly unknown[];
}

/**
 * The catalogue of a tenant and the gateway's own events, as AsyncAPI 3.0. `tenant` absent = that of the
 * key. Throws a `Problem` (`scope_missing`) for a key that may not read, or not that tenant.
 */
export function asyncApi(context: OperationContext, version: string, asked: string | undefined): Json {
  const { principal } = context.caller;
  if (!mayDo(principal, 'read')) {
    throw new Problem('scope_missing', 'the catalogue needs scope "read"');
  }
  const tenant = tenantFor(principal, asked);
  const types = context.gateway.directory.list('event_type').filter((type) => type.tenant === tenant);
  const declared = new Set(types.map(({ name }) => name));
  const described = [
    ...types.map((type) => ({ type, messages: type.versions.map((one) => messageOf(type, one)) })),
    ...ownTypes().filter(({ type }) => !declared.has(type.name)),
  ].toSorted((left, right) => (left.type.name < right.type.name ? -1 : 1));
  const now = isoTime(context.gateway.services.clock.now());
  return {
    asyncapi: '3.0.0',
    info: {
      title: `Events of ${tenant}`,
      version,
      description:
        'What Ringback delivers: each event as a signed POST (Standard Webhooks) to the destinations that ' +
        'subscribe to its type. Events that came in at a source are delivered as they came, without the ' +
        'envelope of type, timestamp and data.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(described.map(({ type, messages }) => [type.name, channel(type, messages)])),
    operations: Object.fromEntries(
      described.map(({ type, messages }) => [`send.${type.name}`, operation(type, messages)]),
    ),
    components: {
      messages: Object.fromEntries(
        described.flatMap(({ messages }) => messages.map((one) => [nameOf(one), message(one, now)])),
      ),
      schemas: {
        'webhook-headers': WEBHOOK_HEADERS,
        ...Object.fromEntries(
          described.flatMap(({ messages }) => messages.flatMap((one) => dataSchema(one))),
        ),
      },
    },
  };
}

function ownTypes(): { type: Pick<EventType, 'name' | 'description'>; messages: Message[] }[] {
  return Object.entries(OPERATOR_EVENT_SCHEMAS).map(([type, { description, schema }]) => ({
    type: { name: type, description },
    messages: [{ type, version: 1, description, schema, protobufMessage: null, examples: [] }],
  }));
}

function messageOf({ name, description }: EventType, version: EventTypeVersion): Message {
  return {
    type: name,
    version: version.version,
    description: version.description === '' ? description : version.description,
    schema: version.schema,
    protobufMessage: version.protobuf?.message ?? null,
    examples: version.examples,
  };
}

function nameOf({ type, version }: Message): string {
  return `${type}.v${version}`;
}

function channel(
  { name, description }: Pick<EventType, 'name' | 'description'>,
  messages: readonly Message[],
): Json {
  return {
    // Each destination has an address of its own, which is nobody else's business.
    address: null,
    title: name,
    ...(description === '' ? {} : { description }),
    messages: Object.fromEntries(
      messages.map((one) => [`v${one.version}`, { $ref: `#/components/messages/${nameOf(one)}` }]),
    ),
  };
}

function operation({ name }: Pick<EventType, 'name'>, messages: readonly Message[]): Json {
  return {
    action: 'send',
    channel: { $ref: `#/channels/${name}` },
    ...(messages.length === 0
      ? {}
      : { messages: messages.map(({ version }) => ({ $ref: `#/channels/${name}/messages/v${version}` })) }),
  };
}

function message(one: Message, timestamp: string): Json {
  const { type, version, description, schema, protobufMessage } = one;
  const examples = one.examples.filter((example) => !seemsReference(example));
  return {
    name: nameOf(one),
    title: `${type}, version ${version}`,
    ...(description === '' ? {} : { summary: description }),
    contentType: schema === null ? 'application/x-protobuf' : 'application/json',
    headers: { $ref: '#/components/schemas/webhook-headers' },
    ...(protobufMessage === null ? {} : { 'x-protobuf-message': protobufMessage }),
    ...(schema === null
      ? {}
      : {
          payload: {
            type: 'object',
            required: ['type', 'timestamp', 'data'],
            properties: {
              type: { const: type },
              timestamp: { type: 'string', format: 'date-time' },
              data: { $ref: `#/components/schemas/${nameOf(one)}` },
            },
          },
        }),
    ...(schema === null || examples.length === 0
      ? {}
      : {
          examples: examples.map((data, index) => ({
            name: `example-${index + 1}`,
            payload: { type, timestamp, data },
          })),
        }),
  };
}

function dataSchema(one: Message): [string, unknown][] {
  if (one.schema === null) return [];
  const { $id: _id, $schema: _schema, ...schema } = one.schema;
  return [[nameOf(one), moved(schema, one.schema, `#/components/schemas/${nameOf(one)}`, true)]];
}

/** A schema whose references lead to where it now stands. */
function moved(node: unknown, root: unknown, base: string, isSchema: boolean): unknown {
  if (Array.isArray(node)) return node.map((item) => moved(item, root, base, true));
  if (!isRecord(node)) return node;
  return Object.fromEntries(
    Object.entries(node).flatMap(([name, value]) => {
      if (isSchema && name === '$ref' && typeof value === 'string') {
        return [[name, base + uriFragment(resolve(root, value)?.at ?? '')]];
      }
      // A property of that name: readers take it for a reference, and some fail.
      if (name === '$ref') return [];
      if (isSchema && NO_SUBSCHEMAS.has(name)) return seemsReference(value) ? [] : [[name, value]];
      return [[name, moved(value, root, base, !isSchema || !SUBSCHEMA_MAPS.has(name))]];
    }),
  );
}

/**
 * Whether data has a member that readers of AsyncAPI take for a reference: they follow it wherever it
 * stands, also to a file of theirs or into their network.
 */
function seemsReference(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, inner]) => (name === '$ref' && typeof inner === 'string') || seemsReference(inner),
  );
}

/** A JSON pointer as part of a URI (RFC 6901, section 6). */
function uriFragment(pointer: string): string {
  return pointer
    .split('/')
    .map((step) => encodeURIComponent(step).replaceAll('%24', '$').replaceAll('%7E', '~'))
    .join('/');
}

const WEBHOOK_HEADERS: Json = {
  type: 'object',
  required: ['webhook-id', 'webhook-timestamp', 'ringback-event-type'],
  properties: {
    'webhook-id': { type: 'string', description: 'the same on every attempt and replay of an event' },
    'webhook-timestamp': { type: 'string', description: 'seconds, of this attempt' },
    'webhook-signature': { type: 'string', description: 'Standard Webhooks: v1 (HMAC) or v1a (ed25519)' },
    'ringback-event-type': { type: 'string' },
    'ringback-type-version': { type: 'string', description: 'the version that the data is of' },
    'ringback-source': { type: 'string' },
    'ringback-delivery': { type: 'string' },
    'ringback-attempt': { type: 'string' },
  },
};
