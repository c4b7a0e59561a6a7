import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { FieldError } from '../domain/problem.ts';
import type { Incompatibility } from '../domain/schema-compatibility.ts';
import type { Compatibility, ProtobufMessage } from '../domain/settings.ts';
import type { Decoded, Encoded, Protobufs } from '../ports/protobufs.ts';
import { messageIncompatibilities } from './protobuf-compatibility.ts';
import { MessageWeight } from './protobuf-weight.ts';

interface Compiled {
  readonly registry: FileRegistry;
  readonly message: DescMessage;
}

/** Protocol Buffers through `@bufbuild/protobuf`, by descriptor sets. */
export class DescriptorProtobufs implements Protobufs {
  readonly #compiled = new WeakMap<ProtobufMessage, Compiled>();

  problem(message: ProtobufMessage): FieldError | null {
    try {
      this.#compile(message);
      return null;
    } catch (error) {
      const pointer = error instanceof UnknownMessage ? '/message' : '/descriptor_set';
      return { pointer, message: messageOf(error) };
    }
  }

  decode(message: ProtobufMessage, bytes: Uint8Array): Decoded {
    try {
      const { registry, message: desc } = this.#compile(message);
      new MessageWeight().check(desc, bytes);
      const decoded = fromBinary(desc, bytes, { readUnknownFields: false });
      return { ok: true, value: toJson(desc, decoded, { registry, alwaysEmitImplicit: true }) };
    } catch (error) {
      return { ok: false, error: `is not a message ${message.message}: ${messageOf(error)}` };
    }
  }

  encode(message: ProtobufMessage, value: unknown): Encoded {
    try {
      const { registry, message: desc } = this.#compile(message);
      // What JSON.parse or an expression gave; anything else is refused by the library.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const parsed = fromJson(desc, value as JsonValue, { registry });
      return { ok: true, bytes: toBinary(desc, parsed) };
    } catch (error) {
      return { ok: false, error: `is not a message ${message.message}: ${messageOf(error)}` };
    }
  }

  incompatibilities(
    older: ProtobufMessage,
    newer: ProtobufMessage,
    promise: Compatibility,
  ): readonly Incompatibility[] {
    return messageIncompatibilities(this.#compile(older).message, this.#compile(newer).message, promise);
  }

  #compile(definition: ProtobufMessage): Compiled {
    const known = this.#compiled.get(definition);
    if (known !== undefined) return known;
    const bytes = Buffer.from(definition.descriptorSet, 'base64');
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
    const message = registry.getMessage(definition.message);
    if (message === undefined) throw new UnknownMessage(definition.message, registry);
    const compiled = { registry, message };
    this.#compiled.set(definition, compiled);
    return compiled;
  }
}

class UnknownMessage extends Error {
  constructor(name: string, registry: FileRegistry) {
    const names = [...registry].filter(({ kind }) => kind === 'message').map(({ typeName }) => typeName);
    const shown = names.slice(0, 10).join(', ');
    super(`there is no message ${name} in the descriptor set; there are ${shown === '' ? 'none' : shown}`);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) return 'it is nested too deeply, or cut off';
  return error instanceof Error ? error.message : String(error);
}
