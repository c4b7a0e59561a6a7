import type { SourceActivity, Upkeep } from '../../ports/store.ts';
import type { Database } from './database.ts';
import { number, numberOrNull, text } from './rows.ts';
import { toText } from './text-columns.ts';

/** When sources last brought an event, and which are silent. */
export function sourceNotes(
  database: Database,
): Pick<Upkeep, 'noteSourceEvents' | 'noteSilent' | 'sourceActivity'> {
  return {
    noteSourceEvents: (notes) => noteSourceEvents(database, notes),
    noteSilent: (sourceId, silentSince) => noteSilent(database, sourceId, silentSince),
    sourceActivity: () => sourceActivity(database),
  };
}

/** In one statement; in the order of the ids, so that two nodes cannot wait for each other's rows. */
async function noteSourceEvents(
  database: Database,
  notes: readonly { readonly sourceId: string; readonly lastEventAt: number }[],
): Promise<void> {
  if (notes.length === 0) return;
  await database.run('work', {
    text: `
      INSERT INTO source_activity (source_id, last_event_at)
      SELECT source_id, max(at) FROM unnest($1::text[], $2::bigint[]) AS noted (source_id, at)
      GROUP BY source_id ORDER BY source_id
      ON CONFLICT (source_id) DO UPDATE
        SET last_event_at = greatest(source_activity.last_event_at, excluded.last_event_at)`,
    values: [notes.map(({ sourceId }) => toText(sourceId)), notes.map(({ lastEventAt }) => lastEventAt)],
  });
}

async function noteSilent(
  database: Database,
  sourceId: string,
  silentSince: number | null,
): Promise<boolean> {
  const rows = await database.run('work', {
    text: `
      UPDATE source_activity SET silent_since = $2
      WHERE source_id = $1 AND (silent_since IS NULL) <> ($2::bigint IS NULL) RETURNING source_id`,
    values: [toText(sourceId), silentSince],
  });
  return rows.length > 0;
}

async function sourceActivity(database: Database): Promise<SourceActivity[]> {
  const rows = await database.run('work', { text: 'SELECT * FROM source_activity' });
  return rows.map((row) => ({
    sourceId: text(row, 'source_id'),
    lastEventAt: number(row, 'last_event_at'),
    silentSince: numberOrNull(row, 'silent_since'),
  }));
}
