import { z } from 'zod';
import { isRecord } from '../domain/json-record.ts';
import { PROBLEMS } from '../domain/problem.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Operation } from './operation.ts';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 description, made from the catalogue and the error registry. */
export function openApi(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of CATALOGUE) {
    const path = (paths[operation.path] ??= {});
    path[operation.method.toLowerCase()] = describeOperation(operation);
  }
  for (const [path, described] of Object.entries(HAND_WRITTEN_PATHS)) paths[path] = described;
  return {
    openapi: '3.1.0',
    info: {
      title: 'Ringback',
      version,
      description: 'Webhook gateway for AI agents: verified, durable, in and out.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths: Object.fromEntries(Object.entries(paths).toSorted(([left], [right]) => left.localeCompare(right))),
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: problemSchema() },
      responses: { Problem: problemResponse('an error') },
    },
  };
}

function describeOperation(operation: Operation): Json {
  const body = jsonSchema(operation.body, 'input');
  const hasBody = operation.method !== 'GET' && Object.keys(propertiesOf(body)).length > 0;
  const answer: Json = { description: 'done' };
  if (operation.status !== 204) {
    answer['content'] = { 'application/json': { schema: jsonSchema(operation.output, 'output') } };
  }
  return {
    operationId: operation.name,
    tags: [operation.name.split('.')[0]],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    'x-scope': operation.scope,
    parameters: [...parameters(operation.params, 'path'), ...parameters(operation.query, 'query')],
    ...(hasBody ? { requestBody: { required: true, content: bodyContent(operation, body) } } : {}),
    responses: {
      [operation.status]: answer,
      '4XX': { $ref: '#/components/responses/Problem' },
      '5XX': { $ref: '#/components/responses/Problem' },
    },
  };
}

function bodyContent(operation: Operation, schema: Json): Json {
  const content: Json = { 'application/json': { schema } };
  for (const type of operation.rawTypes ?? []) content[type] = { schema: {} };
  return content;
}

function parameters(schema: z.ZodType, place: 'path' | 'query'): Json[] {
  const described = jsonSchema(schema, 'input');
  const required = Array.isArray(described['required']) ? described['required'] : [];
  return Object.entries(propertiesOf(described)).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: field,
  }));
}

function propertiesOf(schema: Json): Json {
  const properties = schema['properties'];
  return isRecord(properties) ? properties : {};
}

/** JSON Schema of what goes over the wire: transforms show their input side, or their output side. */
export function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return described;
}

function problemSchema(): Json {
  return {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'code', 'retryable', 'request_id', 'errors'],
    properties: {
      type: { type: 'string', format: 'uri-reference' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { type: 'string', enum: Object.keys(PROBLEMS) },
      retryable: { type: 'boolean' },
      request_id: { type: 'string' },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['pointer', 'message'],
          properties: { pointer: { type: 'string' }, message: { type: 'string' } },
        },
      },
    },
  };
}

function problemResponse(description: string): Json {
  const schema = { $ref: '#/components/schemas/Problem' };
  return { description, content: { 'application/problem+json': { schema } } };
}

const PUBLIC: Json = { security: [] };
const OK: Json = { description: 'done' };
const FAILED: Json = { $ref: '#/components/responses/Problem' };

const STREAM_PARAMETERS: readonly string[] =
  'type source tenant key correlation_id q filter include heartbeat last cursor'.split(' ');

/** Routes that are not operations: their bodies are bytes, or have no end. */
const HAND_WRITTEN_PATHS: Readonly<Record<string, Json>> = {
  '/in/{key}': {
    post: {
      ...PUBLIC,
      operationId: 'ingest',
      tags: ['ingest'],
      summary: 'Take a webhook in; answers when it is verified and on disk',
      parameters: [{ name: 'key', in: 'path', required: true, schema: { type: 'string' } }],
      requestBody: { content: { '*/*': { schema: {} } } },
      responses: {
        '202': {
          description: 'kept; a duplicate carries the first id',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['id', 'duplicate'],
                properties: { id: { type: 'string' }, duplicate: { type: 'boolean' } },
              },
            },
          },
        },
        '4XX': FAILED,
        '5XX': FAILED,
      },
    },
  },
  '/v1/events/{id}/raw': {
    get: {
      operationId: 'events.raw',
      tags: ['events'],
      summary: 'The body of an event, byte for byte',
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
      responses: {
        '200': { description: 'the bytes', content: { 'application/octet-stream': { schema: {} } } },
        '4XX': FAILED,
      },
    },
  },
  '/v1/stream': {
    get: {
      operationId: 'events.stream',
      tags: ['events'],
      summary: 'Server-sent events of what is accepted, resumable by Last-Event-ID',
      parameters: STREAM_PARAMETERS.map((name) => ({
        name,
        in: 'query',
        required: false,
        schema: { type: 'string' },
      })),
      responses: {
        '200': { description: 'a stream', content: { 'text/event-stream': { schema: {} } } },
        '4XX': FAILED,
      },
    },
  },
  '/smee/{channel}': {
    get: {
      ...PUBLIC,
      operationId: 'smee',
      summary: 'The events of a source for clients of smee.io, where the source has that switched on',
      parameters: [{ name: 'channel', in: 'path', required: true, schema: { type: 'string' } }],
      responses: {
        '200': { description: 'a stream', content: { 'text/event-stream': { schema: {} } } },
        '4XX': FAILED,
      },
    },
  },
  '/healthz': {
    get: { ...PUBLIC, operationId: 'healthz', summary: 'The process runs', responses: { '200': OK } },
  },
  '/readyz': {
    get: {
      ...PUBLIC,
      operationId: 'readyz',
      summary: 'Events can be taken in',
      responses: { '200': OK, '503': FAILED },
    },
  },
  '/metrics': {
    get: { ...PUBLIC, operationId: 'metrics', summary: 'Prometheus metrics', responses: { '200': OK } },
  },
  '/asyncapi.json': {
    get: {
      operationId: 'asyncapi',
      tags: ['event-types'],
      summary: "The catalogue of event types as AsyncAPI 3.0, with the gateway's own events",
      'x-scope': 'read',
      parameters: [
        {
          name: 'tenant',
          in: 'query',
          required: false,
          description: 'whose catalogue; only for keys that are not bound to a tenant',
          schema: { type: 'string' },
        },
      ],
      responses: {
        '200': { description: 'AsyncAPI 3.0', content: { 'application/json': { schema: {} } } },
        '4XX': FAILED,
      },
    },
  },
  '/openapi.json': {
    get: { ...PUBLIC, operationId: 'openapi', summary: 'This description', responses: { '200': OK } },
  },
};
