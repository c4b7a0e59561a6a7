import type { Database } from './database.ts';
import { textOrNull } from './rows.ts';
import { toText } from './text-columns.ts';

/**
 * Remembers the key that seals, the first of `keyIds`, if secrets could be opened with these keys so far.
 *
 * Rotation goes node by node: give every node the new key as its second one, then as its first. A node
 * that has only the old key is refused as soon as another one seals with the new.
 */
export async function checkKeys(database: Database, keyIds: readonly string[]): Promise<void> {
  const [sealing] = keyIds;
  if (sealing === undefined) throw new TypeError('there is no key to seal with');
  const known = await database.transaction('work', async (run) => {
    const [row] = await run({ text: 'SELECT key_check FROM store_state FOR UPDATE' });
    const remembered = row === undefined ? null : textOrNull(row, 'key_check');
    if (remembered !== null && !keyIds.includes(remembered)) return remembered;
    await run({ text: 'UPDATE store_state SET key_check = $1', values: [toText(sealing)] });
    return null;
  });
  if (known === null) return;
  throw new Error(
    `secret_key: secrets in this database are sealed with the key ${known}, which this node does not ` +
      `have (it has ${keyIds.join(', ')}); give every node the same RINGBACK_SECRET_KEY`,
  );
}
