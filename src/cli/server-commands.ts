import type { Command } from 'commander';
import type { Profile } from '../config/schema.ts';
import { formatProblem, showConfig } from '../config/show.ts';
import { insecureSettings } from '../app/insecure-settings.ts';
import { printDevGuide } from './dev-guide.ts';
import { loadSettings, withSettings } from './load-settings.ts';
import { failure, printRows, printText } from './output.ts';

/** `dev`, `start` and `config show`. */
export function addServerCommands(program: Command): void {
  const dev = program.command('dev').description('run on this machine: loopback only, a key is made for you');
  withSettings(dev).action((flags: Record<string, unknown>) => run('dev', flags));
  const start = program.command('start').description('run in production; refuses insecure settings');
  withSettings(start).action((flags: Record<string, unknown>) => run('production', flags));
  const config = program.command('config').description('settings and where they come from');
  withSettings(config.command('show').description('every resolved setting, masked, with its origin'))
    .option('--profile <profile>', 'dev or production', 'dev')
    .option('--json', 'as JSON')
    .action((flags: Record<string, unknown>) => show(flags));
}

async function run(profile: Profile, flags: Record<string, unknown>): Promise<void> {
  const loaded = loadSettings(profile, flags);
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`);
  if (!loaded.ok) {
    throw failure(
      `the configuration has ${loaded.problems.length} mistakes:`,
      loaded.problems.map(formatProblem),
    );
  }
  const insecure = profile === 'production' ? insecureSettings(loaded.config) : [];
  if (insecure.length > 0) throw failure('refusing to start with insecure settings:', insecure);
  const { startGateway } = await import('../app/start-gateway.ts');
  const starting = startGateway(loaded.config, profile);
  // Before it is ready: whoever reads "gateway.started" may send the signal at once.
  stopOnSignal(async () => (await starting).stop());
  let gateway;
  try {
    gateway = await starting;
  } catch (error) {
    throw failure('the gateway could not start:', [explain(error, loaded.config.port)]);
  }
  if (profile === 'dev') printDevGuide(gateway);
}

/** The first signal stops in good order, the second at once. */
function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`stopping failed: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function explain(error: unknown, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'EADDRINUSE') {
    return `port ${port} is in use; stop what listens there, or choose another with --port (0 = any free one)`;
  }
  if (code === 'EACCES') return `no permission: ${String(error)}; choose another --data-dir or --port`;
  return error instanceof Error ? error.message : String(error);
}

function show(flags: Record<string, unknown>): void {
  const { json, profile, ...settings } = flags;
  const loaded = loadSettings(profile === 'production' ? 'production' : 'dev', settings);
  const rows = showConfig(loaded);
  if (json === true) printText(JSON.stringify(rows, null, 2));
  else {
    printRows(
      ['setting', 'value', 'origin', 'environment'],
      rows.map((row) => [row.key, row.value ?? '-', row.origin, row.env]),
    );
  }
  if (!loaded.ok) throw failure('mistakes:', loaded.problems.map(formatProblem));
}
