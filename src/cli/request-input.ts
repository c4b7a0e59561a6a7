import type { Operation } from '../api/operation.ts';
import { fieldValue, Inputs, jsonValue, ValueMistake } from './field-values.ts';
import { isRecord, recordOf } from './json-value.ts';
import type { Field } from './operation-fields.ts';
import { usageFailure } from './output.ts';

export interface RequestInput {
  readonly query: Record<string, unknown>;
  readonly body: Record<string, unknown>;
}

/** The option texts of one command, by field. */
export type Given = ReadonlyMap<Field, unknown>;

/**
 * Query and body as the options say, over a whole body from `--body` when there is one.
 *
 * Throws a usage failure with every mistake, and with every required option that is missing.
 */
export function requestInput(
  operation: Operation,
  given: Given,
  fields: readonly Field[],
  bodyFile: string | undefined,
  command: string,
): RequestInput {
  const inputs = new Inputs();
  const mistakes: string[] = [];
  const attempt = <Value>(read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ValueMistake)) throw error;
      mistakes.push(error.message);
      return undefined;
    }
  };
  const input: RequestInput = { query: {}, body: {} };
  if (bodyFile !== undefined)
    Object.assign(
      input.body,
      attempt(() => wholeBody(bodyFile, inputs)),
    );
  for (const [field, raw] of given) {
    const value = attempt(() => fieldValue(field, raw, inputs));
    if (value !== undefined) setAt(input[field.place], field.path, value);
  }
  if (mistakes.length > 0) throw usageFailure(`${command}: the options cannot be used:`, mistakes);
  const missing = fields.filter(
    (field) => field.required && !Object.hasOwn(input[field.place], field.path[0] ?? ''),
  );
  if (missing.length === 0) return input;
  throw usageFailure(
    `${command} also needs ${missing.map((field) => missingText(field, fields)).join(', ')}`,
    [`for example: ${example(operation, fields, command)}`, `all options: ${command} --help`],
  );
}

function wholeBody(from: string, inputs: Inputs): Record<string, unknown> {
  const path = from.startsWith('@') ? from.slice(1) : from;
  const text = path === '-' ? inputs.stdin('--body') : inputs.file(path, '--body');
  const value = jsonValue('--body', text);
  if (isRecord(value)) return { ...value };
  throw new ValueMistake('--body must be a JSON object');
}

function setAt(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first = '', ...rest] = path;
  if (rest.length === 0) {
    root[first] = value;
    return;
  }
  const inner = { ...recordOf(root[first]) };
  setAt(inner, rest, value);
  root[first] = inner;
}

/** Fields of a required object that are options of their own. */
function hoisted(field: Field, fields: readonly Field[]): Field[] {
  return fields.filter((one) => !one.hidden && one.path.length > 1 && one.path[0] === field.path[0]);
}

function missingText(field: Field, fields: readonly Field[]): string {
  const parts = hoisted(field, fields);
  return parts.length === 0 ? field.flag : `one of ${parts.map(({ flag }) => flag).join(' ')}`;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  name: 'my-name',
  provider: 'github',
  url: 'https://example.com/hook',
  destination_id: 'my-destination',
  type: 'invoice.paid',
  data: `'{"id":1}'`,
  filter: `'data.amount > 100'`,
  scopes: 'read,publish',
  secret: '@secret.txt',
  state: 'dead',
};

/** What nearly every use of a command needs besides what the schema requires. */
const MORE: Readonly<Record<string, string>> = { 'sources.create': ' --secrets @secret.txt' };

function example(operation: Operation, fields: readonly Field[], command: string): string {
  const parts = fields
    .filter((field) => field.required)
    .map((field) => {
      const shown = hoisted(field, fields).find((one) => one.path.at(-1) === 'state') ?? field;
      if (shown.kind === 'json' && shown.path[0] !== 'data') return `--body ${shown.path[0] ?? 'body'}.json`;
      const name = shown.path.at(-1) ?? '';
      return `${shown.flag} ${EXAMPLES[name] ?? shown.choices[0] ?? name.toUpperCase()}`;
    });
  const positional = /\{/.test(operation.path) ? ' ID' : '';
  return `${command}${positional} ${parts.join(' ')}${MORE[operation.name] ?? ''}`;
}
