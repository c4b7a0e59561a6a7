import type { FieldError } from '../domain/problem.ts';
import type { ProtobufMessage } from '../domain/settings.ts';
import type { Incompatibility } from '../domain/schema-compatibility.ts';
import type { Compatibility } from '../domain/settings.ts';

/** A message as JSON, or why the bytes are none. */
export type Decoded =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string };

/** The bytes of a message, or why the JSON is none. */
export type Encoded =
  { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly error: string };

/** Protocol Buffers, by definitions that come as data: nothing is generated or run. */
export interface Protobufs {
  /** Why the definition cannot be used, with a pointer into it; `null` when it can. */
  problem(message: ProtobufMessage): FieldError | null;
  /**
   * The bytes in the JSON form of Protocol Buffers, fields that hold their default included. Compiled once
   * for each definition object. Fields that the definition does not know are left out.
   */
  decode(message: ProtobufMessage, bytes: Uint8Array): Decoded;
  /** The other way round: also the check that JSON is such a message. */
  encode(message: ProtobufMessage, value: unknown): Encoded;
  /** What in `newer` breaks a promise about `older`; see `incompatibilities` of JSON Schemas. */
  incompatibilities(
    older: ProtobufMessage,
    newer: ProtobufMessage,
    promise: Compatibility,
  ): readonly Incompatibility[];
}
