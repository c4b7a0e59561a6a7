import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Fields in all messages of a body together; each costs about a hundred bytes of memory for a while. */
const MOST_FIELDS = 1_000_000;
const MOST_LEVELS = 100;

/**
 * Weighs a body before it is decoded: two bytes can be an empty message, and that becomes an object with
 * every field that it has.
 */
export class MessageWeight {
  #fields = 0;

  /** Throws when the body would become too large. */
  check(desc: DescMessage, bytes: Uint8Array): void {
    this.#message(desc, bytes, MOST_LEVELS);
  }

  #message(desc: DescMessage, bytes: Uint8Array, levels: number): void {
    if (levels === 0) throw new Error('it is nested too deeply');
    this.#fields += desc.fields.length + 1;
    if (this.#fields > MOST_FIELDS) throw new Error(`it has more than ${MOST_FIELDS} fields`);
    const inner = new Map(
      desc.fields.flatMap((field) => {
        const message = messageOf(field);
        return message === undefined ? [] : [[field.number, message] as const];
      }),
    );
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      const message = inner.get(number);
      if (wireType === WireType.LengthDelimited && message !== undefined) {
        this.#message(message, reader.bytes(), levels - 1);
      } else reader.skip(wireType, number, levels);
    }
  }
}

function messageOf(field: DescField): DescMessage | undefined {
  return field.message;
}
