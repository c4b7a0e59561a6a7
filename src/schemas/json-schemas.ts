import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Schema = Readonly<Record<string, unknown>>;

/** JSON Schema (2020-12) through ajv, compiled once for each schema object. */
export class JsonSchemas {
  readonly #compiled = new WeakMap<Schema, ValidateFunction>();

  /** Why the schema cannot be used, `null` when it can. */
  problem(schema: Schema): string | null {
    try {
      this.#compile(schema);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** The first mismatch with the pointer to it, `null` when the value fits. */
  mismatch(schema: Schema, value: unknown): string | null {
    const validate = this.#compile(schema);
    if (validate(value)) return null;
    const [first] = validate.errors ?? [];
    return first === undefined
      ? 'does not fit the schema'
      : `${first.instancePath || '/'} ${first.message ?? ''}`;
  }

  #compile(schema: Schema): ValidateFunction {
    const known = this.#compiled.get(schema);
    if (known !== undefined) return known;
    // An instance for each schema: two sources may use the same $id for different schemas.
    const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
    addFormats.default(ajv);
    const validate = ajv.compile(schema);
    this.#compiled.set(schema, validate);
    return validate;
  }
}
