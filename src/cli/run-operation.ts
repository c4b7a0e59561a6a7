import type { Operation } from '../api/operation.ts';
import { type ApiClient, problemParts, ProblemFailure } from './api-client.ts';
import { cliName } from './cli-name.ts';
import { printDetails } from './detail-view.ts';
import { isRecord, recordOf, recordsOf, textOf } from './json-value.ts';
import { printList } from './list-views.ts';
import { isNamedResource, NameBook, namedField } from './names.ts';
import { printNextSteps } from './next-steps.ts';
import { type Field, optionAt } from './operation-fields.ts';
import { printStatus } from './status-view.ts';
import { paint, printable, printJson, printText, usageFailure, withPoints } from './output.ts';
import type { RequestInput } from './request-input.ts';

export interface OutputWishes {
  readonly json: boolean;
  readonly all: boolean;
}

/** Sends one operation and prints what came back. */
export async function runOperation(
  operation: Operation,
  fields: readonly Field[],
  positionals: readonly string[],
  input: RequestInput,
  api: ApiClient,
  wishes: OutputWishes,
): Promise<void> {
  const names = new NameBook(api);
  const tenant = textOf(input.body, 'tenant') ?? textOf(input.query, 'tenant') ?? undefined;
  try {
    const path = await pathFor(operation, positionals, names, tenant);
    const query = await resolveNames(operation, input.query, names, tenant);
    const body = await resolveNames(operation, input.body, names, tenant);
    const request = { query: queryTexts(query), ...(operation.method === 'GET' ? {} : { body }) };
    const answer = wishes.all
      ? { data: await api.list(path, request.query), next_cursor: null }
      : await api.call(operation.method, path, request);
    await printAnswer(operation, positionals, answer, names, wishes);
  } catch (error) {
    throw withOptions(error, fields);
  }
}

async function pathFor(
  operation: Operation,
  positionals: readonly string[],
  names: NameBook,
  tenant: string | undefined,
): Promise<string> {
  const resource = operation.name.split('.')[0] ?? '';
  let path = operation.path;
  for (const [index, name] of Array.from(path.matchAll(/\{(\w+)\}/g), ([, one = '']) => one).entries()) {
    const given = positionals[index] ?? '';
    const isNamed = name === 'id' && isNamedResource(resource);
    const value = isNamed ? await names.idOf(resource, given, tenant) : given;
    // The URL parser would take these as steps to another path.
    if (value === '' || value === '.' || value === '..') throw usageFailure(`"${value}" is not an id`);
    path = path.replace(`{${name}}`, encodeURIComponent(value));
  }
  return path;
}

/** The fields with ids in place of names, one level down too (the filter of a replay). */
async function resolveNames(
  operation: Operation,
  fields: Readonly<Record<string, unknown>>,
  names: NameBook,
  tenant: string | undefined,
): Promise<Record<string, unknown>> {
  const resolved: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const resource = operation.name === 'rejections.list' && name === 'source' ? 'sources' : namedField(name);
    if (resource !== null && typeof value === 'string') {
      resolved[name] = await names.idOf(resource, value, tenant);
    } else if (name === 'filter' && isRecord(value)) {
      resolved[name] = await resolveNames(operation, value, names, tenant);
    } else resolved[name] = value;
  }
  return resolved;
}

function queryTexts(query: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

async function printAnswer(
  operation: Operation,
  positionals: readonly string[],
  answer: unknown,
  names: NameBook,
  wishes: OutputWishes,
): Promise<void> {
  if (wishes.json) {
    if (answer !== undefined) printJson(answer);
    return;
  }
  if (answer === undefined) {
    const verb = operation.name.split('.')[1] ?? 'done';
    printText(`${verb === 'delete' ? 'deleted' : `${verb}: done`} ${printable(positionals.join(' '))}`);
    return;
  }
  const item = recordOf(answer);
  if (Array.isArray(item['data'])) {
    await printPage(operation, recordsOf(item['data']), textOf(item, 'next_cursor'), names);
  } else if (operation.name === 'status.show') printStatus(item);
  else printDetails(item);
  printNextSteps(operation.name, item);
}

async function printPage(
  operation: Operation,
  items: Parameters<typeof printList>[1],
  next: string | null,
  names: NameBook,
): Promise<void> {
  if (items.length === 0) {
    const resource = operation.name === 'events.deliveries' ? 'deliveries' : operation.name.split('.')[0];
    printText(`no ${resource ?? 'items'}`);
    return;
  }
  await printList(operation.name, items, names);
  if (next === null) return;
  const command = `${cliName()} ${operation.name.replace('.', ' ')}`;
  printText(paint('dim', `\nThere are more: add --all, or --cursor ${next} (${command} --help)`));
}

/** Names the option beside each pointer of a refused request. */
function withOptions(error: unknown, fields: readonly Field[]): unknown {
  if (!(error instanceof ProblemFailure) || recordsOf(error.document['errors']).length === 0) return error;
  const { heading, points } = problemParts(error.document, (pointer) => optionAt(fields, pointer));
  return new ProblemFailure(error.document, error.status, withPoints(heading, points));
}
