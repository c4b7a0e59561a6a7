import type { ApiClient } from '../api-client.ts';
import { valueAt } from './check-entry.ts';
import { isRecord, type JsonRecord, numberOf, recordOf, textOf } from '../json-value.ts';
import type { FileMistake, WantedSetting } from './settings-file.ts';

const PLACES: readonly (readonly string[])[] = [
  ['filter'],
  ['session_key'],
  ['transform'],
  ['dedupe', 'key'],
];

/**
 * The expressions of the settings that do not compile, found before anything is changed: the server would
 * refuse the setting when its turn comes, with half of the file applied.
 */
export async function expressionMistakes(
  api: ApiClient,
  settings: readonly WantedSetting[],
): Promise<FileMistake[]> {
  const mistakes: FileMistake[] = [];
  for (const setting of settings) {
    for (const path of [...PLACES, ...converterPlaces(setting.fields)]) {
      const expression = expressionAt(setting.fields, path);
      const message = expression === null ? null : await refusal(api, expression);
      if (message !== null) mistakes.push(setting.mistakeAt(path, message));
    }
  }
  return mistakes;
}

async function refusal(api: ApiClient, expression: string): Promise<string | null> {
  const answer = await api.call('POST', '/v1/filters/test', { body: { filter: expression } });
  const error = recordOf(answer)['error'];
  if (recordOf(answer)['valid'] !== false || !isRecord(error)) return null;
  const [line, column] = [numberOf(error, 'line'), numberOf(error, 'column')];
  const place = line === null || column === null ? '' : ` (its line ${line}, column ${column})`;
  return `${textOf(error, 'message') ?? 'does not compile'}${place}`;
}

function converterPlaces(fields: JsonRecord): (string | number)[][] {
  const converters = fields['converters'];
  return Array.isArray(converters) ? converters.map((_, index) => ['converters', index, 'expression']) : [];
}

function expressionAt(fields: JsonRecord, path: readonly (string | number)[]): string | null {
  const text = valueAt(fields, path);
  // What is too long is told by the schema; the server would refuse the question.
  return typeof text !== 'string' || text === '' || text.length > 4_096 ? null : text;
}
