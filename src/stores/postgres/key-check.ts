import type { Run } from './database.ts';
import { textOrNull } from './rows.ts';
import { toText } from './text-columns.ts';

/**
 * Throws when secrets in this schema are sealed with a key that is none of `keyIds`. It only reads, so that
 * a node that is refused has changed nothing; a schema that is still to be made passes.
 */
export async function refuseOtherKeys(run: Run, schema: string, keyIds: readonly string[]): Promise<void> {
  const [table] = await run({
    text: 'SELECT (to_regclass($1) IS NOT NULL)::text AS found',
    values: [`${schema}.store_state`],
  });
  if (table?.['found'] !== 'true') return;
  const known = await rememberedKey(run);
  if (known !== null && !keyIds.includes(known)) throw lacking(known, keyIds);
}

/**
 * Remembers the key that seals, the first of `keyIds`, if secrets could be opened with these keys so far.
 * Of two nodes that start at once on a new schema, each with its own key, the second is refused here.
 *
 * Rotation goes node by node: give every node the new key as its second one, then as its first. A node
 * that has only the old key is refused as soon as another one seals with the new.
 */
export async function rememberKey(run: Run, keyIds: readonly string[]): Promise<void> {
  const [sealing] = keyIds;
  if (sealing === undefined) throw new TypeError('there is no key to seal with');
  const remembered = await run({
    text: `
      UPDATE store_state SET key_check = $1 WHERE key_check IS NULL OR key_check = ANY ($2::text[])
      RETURNING key_check`,
    values: [toText(sealing), keyIds.map((id) => toText(id))],
  });
  if (remembered.length === 0) throw lacking((await rememberedKey(run)) ?? '', keyIds);
}

async function rememberedKey(run: Run): Promise<string | null> {
  const [row] = await run({ text: 'SELECT key_check FROM store_state' });
  return row === undefined ? null : textOrNull(row, 'key_check');
}

function lacking(known: string, keyIds: readonly string[]): Error {
  return new Error(
    `secret_key: secrets in this database are sealed with the key ${known}, which this node does not ` +
      `have (it has ${keyIds.join(', ')}); give every node the same RINGBACK_SECRET_KEY`,
  );
}
