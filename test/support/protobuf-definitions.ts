import { create, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProto_ReservedRangeSchema,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { ProtobufMessage } from '../../src/domain/settings.ts';

export const Type = FieldDescriptorProto_Type;

export interface FieldOptions {
  readonly name: string;
  readonly number: number;
  readonly type: FieldDescriptorProto_Type;
  readonly typeName?: string;
  readonly repeated?: boolean;
  readonly required?: boolean;
}

/** What `protoc -o` makes of one file: `package acme;` with one message and what stands inside it. */
export function definition(
  fields: readonly FieldOptions[],
  more: {
    readonly nested?: readonly DescriptorProto[];
    readonly enumValues?: readonly string[];
    readonly reserved?: readonly { readonly name: string; readonly number: number }[];
    readonly syntax?: 'proto2' | 'proto3';
    readonly dependency?: readonly string[];
  } = {},
): ProtobufMessage {
  const { nested = [], enumValues = [], reserved = [], syntax = 'proto3', dependency = [] } = more;
  const file = create(FileDescriptorProtoSchema, {
    name: 'acme.proto',
    package: 'acme',
    syntax,
    dependency: [...dependency],
    messageType: [
      {
        ...message('Invoice', fields),
        nestedType: [...nested],
        reservedName: reserved.map(({ name }) => name),
        reservedRange: reserved.map(({ number }) =>
          create(DescriptorProto_ReservedRangeSchema, { start: number, end: number + 1 }),
        ),
      },
    ],
    enumType:
      enumValues.length === 0
        ? []
        : [
            create(EnumDescriptorProtoSchema, {
              name: 'State',
              value: enumValues.map((name, number) => ({ name, number })),
            }),
          ],
  });
  const bytes = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] }));
  return { descriptorSet: Buffer.from(bytes).toString('base64'), message: 'acme.Invoice' };
}

export function message(name: string, fields: readonly FieldOptions[]): DescriptorProto {
  return create(DescriptorProtoSchema, {
    name,
    field: fields.map(({ repeated = false, required = false, typeName = '', ...field }) => ({
      ...field,
      // As protoc writes it.
      jsonName: field.name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      typeName,
      label: repeated
        ? FieldDescriptorProto_Label.REPEATED
        : required
          ? FieldDescriptorProto_Label.REQUIRED
          : FieldDescriptorProto_Label.OPTIONAL,
    })),
  });
}

/** `id`, `amount`, `lines { sku }`. */
export const INVOICE_FIELDS: readonly FieldOptions[] = [
  { name: 'invoice_id', number: 1, type: Type.STRING },
  { name: 'amount', number: 2, type: Type.INT32 },
  { name: 'lines', number: 3, type: Type.MESSAGE, typeName: '.acme.Invoice.Line', repeated: true },
];
export const LINE = message('Line', [{ name: 'sku', number: 1, type: Type.STRING }]);

export const INVOICE_DEFINITION = definition(INVOICE_FIELDS, { nested: [LINE] });
