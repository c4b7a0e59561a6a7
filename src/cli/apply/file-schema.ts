import type { JsonRecord } from '../json-value.ts';
import { recordOf } from '../json-value.ts';
import { entrySchema, type Kind, KINDS, singular } from './setting-kinds.ts';
import { FILE_VERSION } from './settings-file.ts';

const SECTIONS: Readonly<Record<Kind, string>> = {
  sources: 'where events come in, by name',
  destinations: 'where events go, by name',
  event_types: 'the catalogue: what data the events of a type have, by type',
  subscriptions: 'which events go to which destination, by name',
};

/** JSON Schema (2020-12) of a settings file, made from the bodies of the API. */
export function fileSchema(): JsonRecord {
  const definitions = KINDS.flatMap((kind) => {
    const entry = entrySchema(kind);
    const { name: _name, ...unnamed } = recordOf(entry['properties']);
    const required = Array.isArray(entry['required']) ? entry['required'].map(String) : [];
    return [
      [
        singular(kind),
        { ...entry, properties: unnamed, required: required.filter((field) => field !== 'name') },
      ],
      [`named_${singular(kind)}`, entry],
    ] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Ringback settings file',
    description: 'What `ringback apply FILE` makes so. Texts may hold ${env:NAME} and ${file:PATH}.',
    type: 'object',
    required: ['version'],
    additionalProperties: false,
    patternProperties: { '^x-': { description: 'room for YAML anchors; not read' } },
    properties: {
      version: { const: FILE_VERSION },
      tenant: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'whose settings these are' },
      ...Object.fromEntries(KINDS.map((kind) => [kind, sectionSchema(kind)])),
    },
    $defs: Object.fromEntries(definitions),
  };
}

function sectionSchema(kind: Kind): JsonRecord {
  const name = singular(kind);
  return {
    description: SECTIONS[kind],
    oneOf: [
      { type: 'object', additionalProperties: { $ref: `#/$defs/${name}` } },
      { type: 'array', items: { $ref: `#/$defs/named_${name}` } },
      { type: 'null' },
    ],
  };
}
