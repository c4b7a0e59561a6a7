import { isTime, relativeTime, shortened, sizeText, stateCell } from './format.ts';
import { type JsonRecord, numberOf, recordsOf, textOf, textsOf } from './json-value.ts';
import type { NameBook } from './names.ts';
import { type Cell, printable, printRows } from './output.ts';

interface Column {
  readonly title: string;
  readonly cell: (item: JsonRecord, names: NameBook) => Cell | Promise<Cell>;
}

const id: Column = { title: 'id', cell: (item) => printable(textOf(item, 'id') ?? '-') };
const name: Column = { title: 'name', cell: (item) => shortened(textOf(item, 'name') ?? '-', 32) };
const state: Column = { title: 'state', cell: (item) => stateCell(textOf(item, 'state') ?? '-') };
const created = time('created', 'created_at');
const destination: Column = {
  title: 'destination',
  cell: (item, names) => names.nameOf('destinations', textOf(item, 'destination_id')),
};
const enabled: Column = {
  title: 'state',
  cell: (item) => stateCell(item['enabled'] === false ? 'disabled' : 'enabled'),
};

function text(title: string, field: string, most = 40): Column {
  return { title, cell: (item) => shortened(textOf(item, field) ?? '-', most) };
}

function time(title: string, field: string): Column {
  return {
    title,
    cell: (item) => {
      const at = textOf(item, field);
      return at === null ? '-' : relativeTime(at);
    },
  };
}

function count(title: string, field: string): Column {
  return { title, cell: (item) => String(numberOf(item, field) ?? '-') };
}

function texts(title: string, field: string, none: string): Column {
  return {
    title,
    cell: (item) => {
      const found = textsOf(item[field]);
      return found.length === 0 ? none : shortened(found.join(','), 32);
    },
  };
}

const LAST_RESULT: Column = {
  title: 'last result',
  cell: (item) => {
    const status = numberOf(item, 'last_status');
    return status === null ? shortened(textOf(item, 'last_error') ?? '-', 24) : String(status);
  },
};

const DELIVERIES: readonly Column[] = [
  id,
  text('event type', 'event_type', 32),
  destination,
  state,
  count('attempts', 'attempt_count'),
  LAST_RESULT,
  time('next attempt', 'next_attempt_at'),
  text('reason', 'reason', 28),
  created,
];

const SUBSCRIPTION_SOURCES: Column = {
  title: 'sources',
  cell: async (item, names) => {
    const ids = textsOf(item['sources']);
    if (ids.length === 0) return 'all';
    const known = await Promise.all(ids.map((one) => names.nameOf('sources', one)));
    return shortened(known.join(','), 32);
  },
};

/** What a table shows of each resource; the rest is in `get`. */
const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  'sources.list': [
    name,
    id,
    text('provider', 'provider'),
    enabled,
    {
      title: 'secrets',
      cell: (item) => String(Array.isArray(item['secrets']) ? item['secrets'].length : 0),
    },
    text('covers', 'covers'),
    created,
  ],
  'destinations.list': [name, id, text('url', 'url', 48), state, text('reason', 'state_reason', 28), created],
  'subscriptions.list': [
    name,
    id,
    destination,
    SUBSCRIPTION_SOURCES,
    texts('types', 'types', 'all'),
    text('filter', 'filter', 32),
    enabled,
  ],
  'event-types.list': [
    name,
    id,
    {
      title: 'versions',
      cell: (item) =>
        recordsOf(item['versions'])
          .map((one) => String(one['version']))
          .join(',') || 'none',
    },
    text('compatibility', 'compatibility'),
    text('description', 'description', 48),
    created,
  ],
  'events.list': [
    id,
    text('type', 'type', 40),
    text('source', 'source', 24),
    text('key', 'key', 24),
    {
      title: 'size',
      cell: (item) => sizeText(numberOf(item, 'body_bytes') ?? 0),
    },
    time('received', 'received_at'),
  ],
  'events.deliveries': DELIVERIES,
  'deliveries.list': DELIVERIES,
  'replays.list': [
    id,
    state,
    text('over', 'over'),
    count('matched', 'matched'),
    count('made', 'created'),
    created,
  ],
  'rejections.list': [
    id,
    { title: 'source', cell: (item, names) => names.nameOf('sources', textOf(item, 'source_id')) },
    text('code', 'code'),
    text('reason', 'reason', 28),
    text('from', 'remote_address'),
    time('when', 'at'),
  ],
  'keys.list': [
    name,
    id,
    text('begins with', 'hint'),
    texts('scopes', 'scopes', '-'),
    text('tenant', 'tenant'),
    time('expires', 'expires_at'),
    time('last used', 'last_used_at'),
    created,
  ],
};

/** The items of a list as a table. Operations without columns of their own show their plain fields. */
export async function printList(
  operation: string,
  items: readonly JsonRecord[],
  names: NameBook,
): Promise<void> {
  await printColumns(COLUMNS[operation] ?? plainColumns(items), items, names);
}

/** Things without columns of their own: every plain field is one. */
export function printPlainTable(items: readonly JsonRecord[], indent = ''): void {
  const names = Array.from(new Set(items.flatMap((item) => Object.keys(item))));
  printRows(
    names.map((field, index) => `${index === 0 ? indent : ''}${field.replaceAll('_', ' ')}`),
    items.map((item) => names.map((field, index) => `${index === 0 ? indent : ''}${plainText(item[field])}`)),
  );
}

async function printColumns(
  columns: readonly Column[],
  items: readonly JsonRecord[],
  names: NameBook,
): Promise<void> {
  const rows = await Promise.all(
    items.map((item) => Promise.all(columns.map(async (column) => column.cell(item, names)))),
  );
  // A column that is empty throughout says nothing and costs width.
  const shown = columns.map(
    (column, index) => column.title === 'name' || rows.some((row) => (row[index] ?? '-') !== '-'),
  );
  printRows(
    columns.filter((_, index) => shown[index]).map(({ title }) => title),
    rows.map((row) => row.filter((_, index) => shown[index])),
  );
}

function plainColumns(items: readonly JsonRecord[]): Column[] {
  const fields = new Set(items.flatMap((item) => Object.keys(item)));
  return Array.from(fields, (field) => ({
    title: field.replaceAll('_', ' '),
    cell: (item: JsonRecord): Cell => plainText(item[field]),
  }));
}

function plainText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (isTime(value)) return relativeTime(value);
  return shortened(typeof value === 'string' ? value : JSON.stringify(value), 72);
}
