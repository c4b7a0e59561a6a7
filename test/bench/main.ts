import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { makeBenchStore, type StoreName } from './bench-store.ts';
import { claim } from './claim-scenario.ts';
import { footprint } from './footprint-scenario.ts';
import { loadTool } from './parts/load.ts';
import { neighbours } from './neighbours-scenario.ts';
import { nodes } from './nodes-scenario.ts';
import { retention } from './retention-scenario.ts';
import { server } from './server-scenario.ts';
import { deliver, type Figure, ingest, latency, type Scenario } from './scenarios.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ingest,
  server,
  deliver,
  latency,
  neighbours,
  nodes,
  claim,
  retention,
  footprint,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', multiple: true, default: ['sqlite'] },
    quick: { type: 'boolean', default: false },
    json: { type: 'string', default: 'bench-results/latest.json' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(
    `npm run bench -- [${Object.keys(SCENARIOS).join('|')} ...] [--store sqlite|postgres ...] [--quick] [--json FILE]\n\n` +
      '--store  where events are kept, sqlite unless said otherwise; given twice, both, in one table.\n' +
      '         postgres starts a server of its own, of the machine where one is installed\n' +
      '--quick  shorter loads and 50,000 instead of 1,000,000 events: for a first look\n',
  );
  process.exit(0);
}

const unknown = positionals.filter((name) => !Object.hasOwn(SCENARIOS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `unknown scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}\n`,
  );
  process.exit(2);
}

const isStore = (name: string): name is StoreName => name === 'sqlite' || name === 'postgres';
const unknownStores = values.store.filter((name) => !isStore(name));
if (unknownStores.length > 0) {
  process.stderr.write(`unknown store ${unknownStores.join(', ')}; there are sqlite and postgres\n`);
  process.exit(2);
}

const options = values.quick ? { seconds: 4, many: 50_000 } : { seconds: 8, many: 1_000_000 };
const chosen = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const figures: (Figure & { readonly store: StoreName })[] = [];
const stores = [];
for (const name of new Set(values.store.filter((one) => isStore(one))))
  stores.push(await makeBenchStore(name));
// Both stores one after the other in each scenario: what they are compared by is closest in time.
for (const name of chosen) {
  for (const store of stores) {
    process.stderr.write(`running ${name} on ${store.name} ...\n`);
    const found = (await SCENARIOS[name]?.({ ...options, store })) ?? [];
    figures.push(...found.map((one) => ({ ...one, store: store.name })));
  }
}
for (const store of stores) await store.close();

const shown = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
const rows = figures.map((one) => [
  one.scenario,
  one.store,
  one.what,
  `${shown(one.value)} ${one.unit}`,
  one.baseline === null ? '' : shown(one.baseline),
  one.ratio === null ? '' : one.ratio.toFixed(2),
  one.target,
  one.met === null ? '' : one.met ? 'met' : 'MISSED',
]);
const heading = ['', 'store', 'what', 'figure', 'baseline', 'ratio', 'target', ''];
const widths = heading.map((title, column) =>
  Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
);
for (const row of [heading, ...rows]) {
  process.stdout.write(
    `${row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()}\n`,
  );
}

const machine = {
  node: process.version,
  platform: `${platform()} ${release()}`,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  load: await loadTool(),
};
mkdirSync(new URL('.', `file://${process.cwd()}/${values.json}`), { recursive: true });
writeFileSync(
  values.json,
  `${JSON.stringify({ at: new Date().toISOString(), machine, options, figures }, null, 2)}\n`,
);
process.stderr.write(`written to ${values.json}\n`);
