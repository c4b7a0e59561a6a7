import { Argument, Command, Option } from 'commander';
import { CATALOGUE } from '../api/catalogue.ts';
import type { Operation } from '../api/operation.ts';
import { addConnectionOptions, connect, type CommandFlags } from './connect.ts';
import { isNamedResource, namedField } from './names.ts';
import { type Field, fieldsOf } from './operation-fields.ts';
import { printNote } from './output.ts';
import { type Given, requestInput } from './request-input.ts';
import { runOperation } from './run-operation.ts';

const RESOURCES: Readonly<Record<string, string>> = {
  sources: 'where events come in: an ingest URL with a verifier',
  destinations: 'where events go',
  subscriptions: 'which events go to which destination, under which policy',
  'event-types': 'the catalogue: schemas, versions and converters of the data of events',
  events: 'what was accepted; publish your own, follow what comes in',
  deliveries: 'events owed to destinations, and every attempt',
  replays: 'deliver past events again',
  rejections: 'requests refused at sources, with the reason',
  filters: 'try filter expressions',
  keys: 'API keys',
  changes: 'the audit log: who changed which setting, when and from where',
  status: 'what is stuck, since when, and the fix',
};

/** Every operation of the catalogue as `RESOURCE VERB`. Returns the command of each resource. */
export function addOperationCommands(program: Command): ReadonlyMap<string, Command> {
  const groups = new Map<string, Command>();
  for (const operation of CATALOGUE) {
    const [resource = '', verb = ''] = operation.name.split('.');
    let group = groups.get(resource);
    if (group === undefined) {
      group = program.command(resource).description(RESOURCES[resource] ?? resource);
      groups.set(resource, group);
    }
    addOperation(group, operation, resource, verb);
  }
  return groups;
}

function addOperation(group: Command, operation: Operation, resource: string, verb: string): void {
  // The only question about it that there is: `ringback status`.
  const isDefault = operation.name === 'status.show';
  const command = group
    .command(verb, { isDefault })
    .summary(operation.summary)
    .description(describe(operation));
  for (const name of parameterNames(operation)) {
    const named = name === 'id' && isNamedResource(resource);
    command.addArgument(new Argument(named ? '<id-or-name>' : `<${name}>`));
  }
  // What must be given is read first.
  const fields = fieldsOf(operation).toSorted(
    (left, right) => Number(right.required) - Number(left.required),
  );
  const options = new Map<Option, Field>();
  for (const field of fields) {
    for (const option of optionsOf(field, operation)) {
      options.set(option, field);
      command.addOption(option);
    }
  }
  const hasBody = fields.some(({ place }) => place === 'body');
  if (hasBody)
    command.option('--body <file>', 'the whole request body as JSON, from a file or - (standard input)');
  const isList = fields.some(({ flag }) => flag === '--cursor');
  if (isList) command.option('--all', 'every page, not the first alone');
  addConnectionOptions(command, { hasOwnUrl: fields.some(({ flag }) => flag === '--url') });
  command.action(async () => {
    const flags: CommandFlags = command.opts();
    const given = givenFields(command, options);
    const name = `ringback ${operation.name.replace('.', ' ')}`;
    const body = typeof flags['body'] === 'string' ? flags['body'] : undefined;
    const input = requestInput(operation, given, fields, body, name);
    await runOperation(operation, fields, command.args, input, connect(command), {
      json: flags['json'] === true,
      all: isList && flags['all'] === true,
    });
  });
}

function describe(operation: Operation): string {
  return `${operation.summary}.${operation.description === undefined ? '' : `\n\n${operation.description}`}`;
}

/** Names in the path, in their order: `/v1/sources/{id}/secrets/{number}` -> id, number. */
export function parameterNames(operation: Operation): string[] {
  return Array.from(operation.path.matchAll(/\{(\w+)\}/g), ([, name = '']) => name);
}

function optionsOf(field: Field, operation: Operation): Option[] {
  const isChange = operation.method === 'PATCH';
  if (field.kind === 'boolean') {
    const words = field.path.join(' ').replaceAll('_', ' ');
    const isOff = field.defaultsTo === false;
    const yes = new Option(field.flag, isOff ? field.description || words : words);
    const no = new Option(`--no-${field.flag.slice(2)}`, `not ${words}: ${field.description}`);
    return (isOff ? [yes] : [yes, no]).map((option) => hide(option, field));
  }
  const option = new Option(`${field.flag} <${placeholder(field)}>`, description(field, isChange));
  if (field.choices.length > 0 && field.kind === 'text') option.choices(field.choices);
  else if (field.kind === 'list' || field.kind === 'map') {
    option.argParser((text: string, before: unknown) => [...(Array.isArray(before) ? before : []), text]);
  }
  return [hide(option, field)];
}

function hide(option: Option, field: Field): Option {
  return field.hidden ? option.hideHelp() : option;
}

const PLACEHOLDERS: Readonly<Record<Field['kind'], string>> = {
  text: 'text',
  boolean: 'text',
  list: 'a,b',
  map: 'json|name=value',
  json: 'json',
  number: 'number',
  size: 'size',
  time: 'time',
};

function placeholder(field: Field): string {
  if (field.secret) return 'secret';
  if (field.choices.length > 0 && field.kind === 'text') return 'choice';
  return field.kind === 'text' && /duration/.test(field.description) ? 'duration' : PLACEHOLDERS[field.kind];
}

function description(field: Field, isChange: boolean): string {
  const isNamed = namedField(field.path.at(-1) ?? '') !== null;
  const parts = [field.description.replace(/^id of a/, 'id or name of a')];
  if (isNamed && !/\bname\b/.test(parts[0] ?? '')) parts.push('id or name');
  if (field.required) parts.push('required');
  if (field.kind === 'list' && field.choices.length > 0) parts.push(field.choices.join(', '));
  if (field.kind === 'time')
    parts.push(isExpiry(field) ? 'or time from now, e.g. 7d' : 'or time ago, e.g. 2h');
  if (field.secret) parts.push('@file, @env:NAME or - keeps it out of the shell history');
  if (field.nullable && isChange) parts.push('null clears it');
  if (typeof field.defaultsTo === 'number' || typeof field.defaultsTo === 'string') {
    parts.push(`default ${field.defaultsTo}`);
  }
  return parts.filter((part) => part !== '').join('; ');
}

function isExpiry(field: Field): boolean {
  return field.path.at(-1)?.startsWith('expires') === true;
}

function givenFields(command: Command, options: ReadonlyMap<Option, Field>): Given {
  const values: Record<string, unknown> = command.opts();
  const given = new Map<Field, unknown>();
  for (const [option, field] of options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === undefined || values[name] === undefined) continue;
    given.set(field, values[name]);
    // An argument is seen by every user of the machine, and stays in the shell's history.
    if (field.secret && isLiteral(values[name])) warnOfHistory(field);
  }
  return given;
}

function isLiteral(value: unknown): boolean {
  const texts = Array.isArray(value) ? value : [value];
  return texts.some((text) => typeof text === 'string' && text !== '-' && !text.startsWith('@'));
}

function warnOfHistory(field: Field): void {
  if (!process.stderr.isTTY) return;
  printNote(`note: ${field.flag} on the command line stays in the shell history; @file or - avoids that`);
}
