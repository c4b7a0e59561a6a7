import { _, Ajv2020, type ErrorObject, type KeywordCxt, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { pointerToken } from '../domain/json-pointer.ts';
import type { FieldError } from '../domain/problem.ts';
import type { JsonSchema, Schemas } from '../ports/schemas.ts';
import { canonicalText } from './canonical-text.ts';
import { compilePattern } from './linear-patterns.ts';
import { asksForUnevaluated, metered, STEPS_KEYWORD, textProblem } from './schema-text.ts';
import { StepMeter, TooManySteps } from './step-meter.ts';

/** About a tenth of a second, for which all other requests wait. */
const BUDGET = 1_000_000;
/** For the second look, which collects every mistake of what is known to have one. */
const LISTING_BUDGET = 20_000;
const MAX_MISTAKES = 20;
/** Formats are looked at with regular expressions of the engine, some of which are not linear. */
const MAX_FORMAT_CHARS = 4_096;
const UNBOUNDED_FORMATS: ReadonlySet<string> = new Set(['byte', 'binary', 'password']);

interface Compiled {
  readonly first: ValidateFunction;
  /** Finds every mistake; made when there is one. */
  all: ValidateFunction | null;
}

/** What ajv found, or why it did not get to an end. */
interface Found {
  readonly errors: readonly ErrorObject[];
  readonly stopped: FieldError | null;
}

/** JSON Schema (2020-12) through ajv, compiled once for each schema object, with every check metered. */
export class JsonSchemas implements Schemas {
  readonly #compiled = new WeakMap<JsonSchema, Compiled>();
  readonly #meter = new StepMeter();

  problem(schema: JsonSchema): FieldError | null {
    const problem = textProblem(schema);
    if (problem !== null) return problem;
    try {
      this.#compile(schema);
      return null;
    } catch (error) {
      if (error instanceof InvalidSchema) return { pointer: error.pointer, message: error.message };
      return { pointer: '', message: error instanceof Error ? error.message : String(error) };
    }
  }

  mismatches(schema: JsonSchema, value: unknown): readonly FieldError[] {
    const compiled = this.#compile(schema);
    const found = this.#run(compiled.first, value, BUDGET);
    if (found.stopped !== null) return [found.stopped];
    if (found.errors.length === 0) return [];
    compiled.all ??= this.#validator(schema, true);
    const every = this.#run(compiled.all, value, LISTING_BUDGET);
    const told = every.errors.length > 0 ? every.errors : found.errors;
    return unique(told.map((error) => fieldError(error)));
  }

  #run(validate: ValidateFunction, value: unknown, budget: number): Found {
    this.#meter.start(budget);
    try {
      return { errors: validate(value) ? [] : (validate.errors ?? []), stopped: null };
    } catch (error) {
      if (error instanceof TooManySteps) {
        return stopped('takes too many steps to check against the schema');
      }
      if (error instanceof RangeError) return stopped('is nested too deeply');
      throw error;
    }
  }

  #compile(schema: JsonSchema): Compiled {
    const known = this.#compiled.get(schema);
    if (known !== undefined) return known;
    const compiled = { first: this.#validator(schema, false), all: null };
    this.#compiled.set(schema, compiled);
    return compiled;
  }

  #validator(schema: JsonSchema, allErrors: boolean): ValidateFunction {
    checkAgainstMetaSchema(schema);
    // An instance for each schema: two sources may use the same $id for different schemas.
    const ajv = new Ajv2020({
      strict: false,
      allErrors,
      validateFormats: true,
      // Done above. Compiling the meta-schema anew takes far longer than most schemas.
      meta: false,
      validateSchema: false,
      // A small schema that is referred to a thousand times must not become a thousand copies of code.
      inlineRefs: false,
      // Optimizing takes four times as long as all the rest, on the main thread; and that of ajv 8.20
      // loses a variable for some uses of unevaluatedProperties inside anyOf.
      code: {
        optimize: false,
        regExp: Object.assign((pattern: string) => this.#pattern(pattern), { code: 'linear' }),
      },
    });
    // Keeping account of what was evaluated costs time: only for schemas that ask for it.
    ajv.opts.unevaluated = asksForUnevaluated(schema);
    addFormats.default(ajv);
    boundFormats(ajv);
    this.#addKeywords(ajv);
    return ajv.compile(metered(schema));
  }

  #pattern(pattern: string): { test: (text: string) => boolean; toString: () => string } {
    const compiled = compilePattern(pattern);
    return {
      test: (text) => {
        this.#meter.charge(1 + text.length / compiled.charsPerStep);
        return compiled.test(text);
      },
      // By its text ajv tells patterns apart.
      toString: () => pattern,
    };
  }

  #addKeywords(ajv: Ajv2020): void {
    const meter = this.#meter;
    ajv.addKeyword({
      keyword: STEPS_KEYWORD,
      schemaType: 'number',
      code(context: KeywordCxt) {
        const { gen, schema } = context;
        const counter = gen.scopeValue('obj', { ref: meter });
        const stop = gen.scopeValue('func', { ref: exceeded });
        gen.if(_`(${counter}.left -= ${Number(schema)}) < 0`, () => gen.code(_`${stop}()`));
      },
    });
    // The built-in one compares each item with each other.
    ajv.removeKeyword('uniqueItems');
    ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      error: { message: 'must not have the same item twice' },
      validate: (wanted: boolean, items: readonly unknown[]) => !wanted || areUnique(items, meter),
    });
  }
}

function exceeded(): never {
  throw new TooManySteps();
}

function stopped(message: string): Found {
  return { errors: [], stopped: { pointer: '', message } };
}

/** Checks schemas alone; it is given none to keep. */
const metaSchema = new Ajv2020({ strict: false, validateSchema: false });

/** Throws `InvalidSchema`, or what ajv throws for another dialect. */
function checkAgainstMetaSchema(schema: JsonSchema): void {
  if (metaSchema.validateSchema(schema) === true) return;
  const [first] = metaSchema.errors ?? [];
  throw new InvalidSchema(first?.instancePath ?? '', first?.message ?? 'is not a JSON Schema');
}

class InvalidSchema extends Error {
  readonly pointer: string;

  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

function areUnique(items: readonly unknown[], meter: StepMeter): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonicalText(item);
    meter.charge(1 + text.length / 16);
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

function boundFormats(ajv: Ajv2020): void {
  for (const [name, format] of Object.entries(ajv.formats)) {
    if (UNBOUNDED_FORMATS.has(name) || typeof format === 'boolean' || format === undefined) continue;
    const test =
      format instanceof RegExp || typeof format === 'function'
        ? format
        : 'type' in format && format.type === 'number'
          ? undefined
          : format.validate;
    if (test instanceof RegExp) {
      ajv.addFormat(name, (text: string) => text.length <= MAX_FORMAT_CHARS && test.test(text));
    }
  }
}

/** ajv points at the object that a property is missing from, or too many in; people look for the property. */
function fieldError({ instancePath, keyword, params, message }: ErrorObject): FieldError {
  const named: unknown =
    params['missingProperty'] ?? params['additionalProperty'] ?? params['unevaluatedProperty'];
  const pointer = typeof named === 'string' ? `${instancePath}/${pointerToken(named)}` : instancePath;
  if (keyword === 'required') return { pointer, message: 'is required' };
  if (typeof named === 'string' && params['missingProperty'] === undefined) {
    return { pointer, message: 'is not a property of this type' };
  }
  if (keyword === 'enum' || keyword === 'const') {
    const allowed: unknown = params['allowedValues'] ?? [params['allowedValue']];
    return { pointer, message: `must be ${shortList(Array.isArray(allowed) ? allowed : [])}` };
  }
  return { pointer, message: message ?? 'does not fit the schema' };
}

function shortList(values: readonly unknown[]): string {
  const shown = values.slice(0, 10).map((value) => JSON.stringify(value));
  const rest = values.length > shown.length ? ', ...' : '';
  return `${shown.length === 1 ? '' : 'one of '}${shown.join(', ')}${rest}`;
}

function unique(errors: readonly FieldError[]): FieldError[] {
  const byText = new Map(errors.map((error) => [`${error.pointer} ${error.message}`, error]));
  return [...byText.values()].slice(0, MAX_MISTAKES);
}
