import { z } from 'zod';
import type { EventType, EventTypeVersion, ProtobufMessage } from '../domain/settings.ts';
import { isEventType } from '../domain/type-pattern.ts';
import { id, idParams, instant, isoTime, keep, nothing, record, tenant } from './fields.ts';
import { mismatchText } from '../core/event-types.ts';
import { Problem } from '../domain/problem.ts';
import { operation, type OperationContext } from './operation.ts';
import { keptProtobuf, protobufIn, protobufOut, protobufView } from './protobuf-fields.ts';
import { tenantFor } from './tenancy.ts';
import { getSetting, listSettings, removeSetting } from './setting-operations.ts';

const MAX_VERSIONS = 100;

const versionNumber = z.int().min(1).max(1_000_000);
const expression = z.string().min(1).max(4_096);

const versionFields = {
  version: versionNumber.optional().describe('default: one more than the version before'),
  description: z.string().max(4_096).optional().describe('what is new in it'),
  schema: record.nullable().optional().describe('JSON Schema (2020-12) of the data'),
  protobuf: protobufIn.optional(),
  examples: z.array(z.unknown()).max(20).optional().describe('data that fits the schema'),
};

const versionIn = z.strictObject(versionFields);

const converterIn = z.strictObject({
  from: versionNumber.describe('version that it takes'),
  to: versionNumber.describe('version that it makes, a neighbour'),
  expression: expression.describe('CEL over event, headers, data to a map: the data of the other version'),
});

const changeable = {
  description: z.string().max(4_096).describe('when such events come, and what they are for'),
  compatibility: z
    .enum(['backward', 'forward', 'full', 'none'])
    .describe('what a new version must be to the one before it'),
  versions: z.array(versionIn).max(MAX_VERSIONS).describe('every version, oldest first'),
  converters: z
    .array(converterIn)
    .max(2 * MAX_VERSIONS)
    .describe('how the data of a version becomes that of its neighbour'),
};

const createBody = z
  .strictObject({
    name: z
      .string()
      .refine(isEventType, 'must be segments of letters, digits, "_" and "-" joined by "."')
      .describe('the type of the events, e.g. invoice.paid'),
    ...changeable,
    tenant,
  })
  .partial()
  .required({ name: true });
const changeBody = z.strictObject(changeable).partial();

const versionOut = z.object({
  version: z.int(),
  description: z.string(),
  schema: record.nullable(),
  protobuf: protobufOut,
  examples: z.array(z.unknown()),
});

/** An event type as JSON, with every version. */
export const eventTypeOut = z.object({
  id,
  name: z.string(),
  tenant: z.string(),
  description: z.string(),
  compatibility: z.enum(['backward', 'forward', 'full', 'none']),
  versions: z.array(versionOut),
  converters: z.array(z.object({ from: z.int(), to: z.int(), expression: z.string() })),
  created_at: instant,
  updated_at: instant,
});

function eventTypeView(type: EventType): z.input<typeof eventTypeOut> {
  return {
    id: type.id,
    name: type.name,
    tenant: type.tenant,
    description: type.description,
    compatibility: type.compatibility,
    versions: type.versions.map(({ version, description, schema, protobuf, examples }) => ({
      version,
      description,
      schema,
      protobuf: protobufView(protobuf),
      examples: [...examples],
    })),
    converters: type.converters.map((converter) => ({ ...converter })),
    created_at: isoTime(type.createdAt),
    updated_at: isoTime(type.updatedAt),
  };
}

type VersionChange = z.output<typeof versionIn>;

/** Versions as they are kept: numbered, what is not said as it was. Throws for numbers that do not rise. */
function versionsOf(
  before: EventType,
  wanted: readonly (VersionChange | EventTypeVersion)[],
): EventTypeVersion[] {
  const versions: EventTypeVersion[] = [];
  for (const [index, given] of wanted.entries()) {
    const last = versions.at(-1)?.version ?? 0;
    const version = given.version ?? last + 1;
    if (version <= last) {
      throw invalid(`/versions/${index}/version`, `must be more than ${last}, the one before`);
    }
    const old = before.versions.find((one) => one.version === version) ?? blankVersion(version);
    const schema = keep(given.schema, old.schema);
    const protobuf = protobufOf(given, old);
    if (schema === null && protobuf === null) throw invalid(`/versions/${index}`, NEEDS_SCHEMA);
    versions.push({
      version,
      description: keep(given.description, old.description),
      schema,
      protobuf,
      examples: keep(given.examples, old.examples),
    });
  }
  return versions;
}

const NEEDS_SCHEMA = 'needs a "schema" or a "protobuf"';

function protobufOf(given: VersionChange | EventTypeVersion, old: EventTypeVersion): ProtobufMessage | null {
  const { protobuf } = given;
  if (protobuf !== null && protobuf !== undefined && 'descriptorSet' in protobuf) return protobuf;
  return keptProtobuf(protobuf, old.protobuf);
}

function blankVersion(version: number): EventTypeVersion {
  return { version, description: '', schema: null, protobuf: null, examples: [] };
}

function invalid(pointer: string, message: string): Problem {
  return new Problem('validation_failed', `${pointer}: ${message}`, { errors: [{ pointer, message }] });
}

function changed(type: EventType, wanted: z.output<typeof changeBody>, nowMs: number): EventType {
  return {
    ...type,
    description: keep(wanted.description, type.description),
    compatibility: keep(wanted.compatibility, type.compatibility),
    versions: wanted.versions === undefined ? type.versions : versionsOf(type, wanted.versions),
    converters: keep(wanted.converters, type.converters),
    updatedAt: nowMs,
  };
}

/** Changes a type as it is when earlier changes are saved, so that two who add a version get two versions. */
async function change(
  context: OperationContext,
  typeId: string,
  make: (type: EventType, nowMs: number) => EventType,
): Promise<z.input<typeof eventTypeOut>> {
  const { settings, eventTypeChecks, services } = context.gateway;
  settings.find('event_type', typeId, context.caller.principal);
  await settings.rewrite('event_type', typeId, context.caller, (before) => {
    const after = make(before, services.clock.now());
    eventTypeChecks.beforeSave(before, after);
    return after;
  });
  return eventTypeView(settings.find('event_type', typeId, context.caller.principal));
}

const create = operation({
  name: 'event-types.create',
  method: 'POST',
  path: '/v1/event-types',
  scope: 'manage',
  summary: 'Add an event type to the catalogue',
  description:
    'Events of the type are checked against its newest version when they are published, and at sources with ' +
    '`use_catalogue`. See docs/event-types.md.',
  params: nothing,
  query: nothing,
  body: createBody,
  output: eventTypeOut,
  status: 201,
  run: async (context, { body }) => {
    const { services, eventTypeChecks, settings } = context.gateway;
    const now = services.clock.now();
    const blank: EventType = {
      id: services.ids.make('etp'),
      tenant: tenantFor(context.caller.principal, body.tenant),
      name: body.name,
      description: '',
      compatibility: 'backward',
      versions: [],
      converters: [],
      createdAt: now,
      updatedAt: now,
    };
    const type = changed(blank, body, now);
    eventTypeChecks.beforeSave(null, type);
    await settings.save('event_type', type, context.caller);
    return eventTypeView(type);
  },
});

const shown = {
  kind: 'event_type',
  resource: 'event-types',
  output: eventTypeOut,
  view: eventTypeView,
} as const;
const list = listSettings(shown, 'List the catalogue of event types, newest first');

const get = getSetting(shown, 'Show an event type with every version');

const update = operation({
  name: 'event-types.update',
  method: 'PATCH',
  path: '/v1/event-types/{id}',
  scope: 'manage',
  summary: 'Change fields of an event type; the others stay',
  description:
    'A version that is there keeps its schema: `versions` adds new ones behind, or leaves some out.',
  params: idParams,
  query: nothing,
  body: changeBody,
  output: eventTypeOut,
  status: 200,
  run: (context, { params, body }) => change(context, params.id, (type, nowMs) => changed(type, body, nowMs)),
});

const remove = removeSetting(
  shown,
  'Delete an event type; its events are no longer checked',
  (type, { gateway }) => gateway.eventTypeChecks.beforeRemove(type),
);

const addVersion = operation({
  name: 'event-types.add-version',
  method: 'POST',
  path: '/v1/event-types/{id}/versions',
  scope: 'manage',
  summary: 'Add a version as the newest, with converters from and to the one before',
  params: idParams,
  query: nothing,
  body: z.strictObject({
    ...versionFields,
    up: expression.optional().describe('CEL to a map: data of the version before as data of this one'),
    down: expression.optional().describe('CEL to a map: data of this version as data of the one before'),
  }),
  output: eventTypeOut,
  status: 201,
  run: async (context, { params, body: { up, down, ...version } }) => {
    if ((version.schema ?? version.protobuf ?? null) === null) throw invalid('', NEEDS_SCHEMA);
    const places = new Map<string, string>();
    try {
      return await change(context, params.id, (type, nowMs) => {
        const before = type.versions.at(-1)?.version;
        const versions = versionsOf(type, [...type.versions, version]);
        const number = versions.at(-1)?.version ?? 1;
        const converters = [...type.converters];
        places.set(`/versions/${versions.length - 1}`, '');
        if (before !== undefined && up !== undefined) {
          places.set(`/converters/${converters.length}/expression`, '/up');
          converters.push({ from: before, to: number, expression: up });
        }
        if (before !== undefined && down !== undefined) {
          places.set(`/converters/${converters.length}/expression`, '/down');
          converters.push({ from: number, to: before, expression: down });
        }
        return { ...type, versions, converters, updatedAt: nowMs };
      });
    } catch (error) {
      throw error instanceof Problem ? moved(error, places) : error;
    }
  },
});

/** The problem with pointers into what the caller sent, instead of into the whole type. */
function moved(problem: Problem, places: ReadonlyMap<string, string>): Problem {
  const errors = problem.errors.map(({ pointer, message }) => {
    for (const [inType, inRequest] of places) {
      if (pointer.startsWith(inType)) return { pointer: inRequest + pointer.slice(inType.length), message };
    }
    return { pointer, message };
  });
  if (errors.length === 0) return problem;
  return new Problem(problem.code, mismatchText(errors), { errors, cause: problem });
}

const removeVersion = operation({
  name: 'event-types.delete-version',
  method: 'DELETE',
  path: '/v1/event-types/{id}/versions/{version}',
  scope: 'manage',
  summary: 'Delete a version and its converters; refused while a subscription asks for it',
  params: z.strictObject({ id, version: z.coerce.number().int().min(1) }),
  query: nothing,
  body: nothing,
  output: eventTypeOut,
  status: 200,
  run: (context, { params }) =>
    change(context, params.id, (type, nowMs) => {
      if (!type.versions.some(({ version }) => version === params.version)) {
        throw new Problem('not_found', `${type.name} has no version ${params.version}`);
      }
      return {
        ...type,
        versions: type.versions.filter(({ version }) => version !== params.version),
        converters: type.converters.filter(
          ({ from, to }) => from !== params.version && to !== params.version,
        ),
        updatedAt: nowMs,
      };
    }),
});

/** Operations on the catalogue: create, list, get, update, delete, add and delete a version. */
export const eventTypeOperations = [create, list, get, update, remove, addVersion, removeVersion];
