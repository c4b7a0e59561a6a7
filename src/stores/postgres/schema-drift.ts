import { EXPECTED_SCHEMA } from './expected-schema.ts';
import type { Run } from './database.ts';
import { text } from './rows.ts';

/** Differences named in a message; more of them say no more. */
const SHOWN = 5;

/**
 * One line for each thing that statements rely on: columns with their types, valid indexes, functions,
 * sequences. Partitions come and go and are left out.
 */
const DESCRIBE = `
  SELECT line FROM (
  SELECT format('column %s.%s %s%s', class.relname, attname, format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN ' not null' ELSE '' END) AS line
  FROM pg_class AS class JOIN pg_attribute ON attrelid = class.oid
  WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
    AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT format('index %s on %s', index.relname, class.relname)
  FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS class ON class.oid = indrelid
  WHERE class.relnamespace = $1::regnamespace AND NOT class.relispartition AND indisvalid
  UNION ALL
  SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(oid))
  FROM pg_proc WHERE pronamespace = $1::regnamespace
  UNION ALL
  SELECT format('sequence %s', relname) FROM pg_class
  WHERE relnamespace = $1::regnamespace AND relkind = 'S'
  ) AS described
  ORDER BY line COLLATE "C"`;

/** What is in a schema, as lines. */
export async function describeSchema(run: Run, schema: string): Promise<string[]> {
  const rows = await run({ text: DESCRIBE, values: [schema] });
  return rows.map((row) => text(row, 'line'));
}

/**
 * Throws when something is missing that this version works with, or is not as its migrations made it:
 * better now than in the middle of the night. More than is needed (an operator's index) is no harm.
 */
export async function checkSchema(run: Run, schema: string): Promise<void> {
  const found = new Set(await describeSchema(run, schema));
  const missing = EXPECTED_SCHEMA.filter((line) => !found.has(line));
  if (missing.length === 0) return;
  const more = missing.length > SHOWN ? `, and ${missing.length - SHOWN} more` : '';
  throw new Error(
    `the schema "${schema}" is not as Ringback made it; missing: ${missing.slice(0, SHOWN).join(', ')}${more}. ` +
      'Undo what was changed there by hand, or restore a backup',
  );
}
