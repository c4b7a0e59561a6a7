import { type Command, Option } from 'commander';
import { z } from 'zod';
import { eventFilterFields } from '../api/events.ts';
import type { ApiClient } from './api-client.ts';
import { addConnectionOptions, connect, type CommandFlags } from './connect.ts';
import { type ConnectionTold, followStream } from './follow-stream.ts';
import { shortened, sizeText } from './format.ts';
import { type JsonRecord, numberOf, textOf } from './json-value.ts';
import { schemaFields } from './operation-fields.ts';
import { asJson, paint, printable, printNote, printText } from './output.ts';

/** The server says something at least every 15 s; silence of this length means a dead connection. */
const SILENCE_LIMIT_MS = 45_000;

/** `events tail`: one line for each event as it is accepted, until Ctrl-C. */
export function addTailCommand(events: Command): void {
  const { from: _from, to: _to, ...filters } = eventFilterFields;
  const command = events
    .command('tail')
    .summary('Follow events as they are accepted, until Ctrl-C')
    .description(
      'Follow events as they are accepted, one line each, until Ctrl-C. A lost connection is taken up ' +
        'again after the last event that was shown.',
    );
  const fields = schemaFields(z.strictObject(filters), 'query');
  for (const field of fields) command.addOption(new Option(`${field.flag} <text>`, field.description));
  addConnectionOptions(command, { hasOwnUrl: false });
  command.action(async () => {
    const flags: CommandFlags = command.opts();
    const query: Record<string, string> = {};
    for (const [index, field] of fields.entries()) {
      const value = flags[command.options[index]?.attributeName() ?? ''];
      if (typeof value === 'string') query[field.path.join('.')] = value;
    }
    await follow(connect(command), query, flags['json'] === true);
  });
}

/** Ends with the process, or rejects when going on is pointless: a refused key, a bad filter. */
async function follow(api: ApiClient, query: Readonly<Record<string, string>>, json: boolean): Promise<void> {
  process.once('SIGINT', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
  const { signal } = new AbortController();
  const told = toldInNotes(`following events of ${api.connection.url}; Ctrl-C ends it`);
  const followed = followStream(api, { query, place: '', silenceLimitMs: SILENCE_LIMIT_MS, signal, told });
  for await (const item of followed) {
    if (item.kind === 'gap') printNote(gapText(item.data));
    if (item.kind !== 'event') continue;
    printText(json ? asJson(item.data) : eventLine(item.data));
  }
}

/** Tells of the connection beside the answer. */
export function toldInNotes(opening: string, note: (text: string) => void = printNote): ConnectionTold {
  return {
    connected: (again) => note(again ? 'connected again' : opening),
    lost(why, forMs) {
      const since = forMs < 1_000 ? '' : `, for ${Math.round(forMs / 1_000)} s now`;
      note(`lost the connection (${printable(why)})${since}; trying again`);
    },
  };
}

/** That events are missing is said as loudly as a line can. */
export function gapText(gap: JsonRecord): string {
  const from = textOf(gap, 'from');
  const since = from === null ? '' : ` after ${printable(from)}`;
  const text = `GAP: events${since} up to ${printable(textOf(gap, 'to') ?? '?')} may be missing: retention removed them`;
  return paint(['bold', 'red'], text, process.stderr);
}

/** An event in one line, without its end. */
export function eventLine(event: JsonRecord): string {
  const key = textOf(event, 'key');
  const parts = [
    paint('dim', new Date(textOf(event, 'received_at') ?? 0).toLocaleTimeString('en-GB')),
    printable(textOf(event, 'id') ?? ''),
    paint('bold', shortened(textOf(event, 'type') ?? '', 64)),
    `from ${shortened(textOf(event, 'source') ?? '', 48)}`,
    ...(key === null ? [] : [`key ${shortened(key, 48)}`]),
    paint('dim', sizeText(numberOf(event, 'body_bytes') ?? 0)),
  ];
  return parts.join('  ');
}
