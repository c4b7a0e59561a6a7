import { z } from 'zod';
import type { ProtobufMessage } from '../domain/settings.ts';

/** A message of Protocol Buffers in requests: the definition is data, and is never fetched. */
export const protobufIn = z
  .strictObject({
    descriptor_set: z
      .base64()
      .min(4)
      .max(1_000_000)
      .describe('FileDescriptorSet with its imports, base64: protoc --include_imports -o FILE'),
    message: z.string().min(1).max(256).describe('full name of the message, e.g. acme.v1.Invoice'),
  })
  .nullable()
  .describe('the message that binary data is');

/** A message of Protocol Buffers in answers. */
export const protobufOut = z.object({ descriptor_set: z.string(), message: z.string() }).nullable();

/** As `protobufOut` describes it. */
export function protobufView(protobuf: ProtobufMessage | null | undefined): z.input<typeof protobufOut> {
  if (protobuf === null || protobuf === undefined) return null;
  return { descriptor_set: protobuf.descriptorSet, message: protobuf.message };
}

/** The definition after a change; the very object when nothing changed, so that what was compiled stays. */
export function keptProtobuf(
  wanted: z.output<typeof protobufIn> | undefined,
  before: ProtobufMessage | null,
): ProtobufMessage | null {
  if (wanted === undefined || wanted === null) return wanted === null ? null : before;
  const { descriptor_set: descriptorSet, message } = wanted;
  const isSame = before?.descriptorSet === descriptorSet && before.message === message;
  return isSame ? before : { descriptorSet, message };
}
