import type { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import type { Profile } from '../config/schema.ts';
import { maskUrl } from '../config/show.ts';
import { connectionTo, findServer } from './connection.ts';
import { fail, type Finding, ok } from './doctor-finding.ts';
import {
  checkClock,
  checkConfiguration,
  checkDataDir,
  checkKeyFiles,
  checkNode,
  checkStoreFile,
} from './doctor-machine.ts';
import { checkKey, checkPort, checkServer, probe } from './doctor-server.ts';
import { loadSettings, settingText, withSettings } from './load-settings.ts';
import { CliFailure, paint, printable, printJson, printText } from './output.ts';

/** `doctor`: what would keep a gateway from running well here, each with its fix. */
export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .summary('check configuration, store, ports, permissions and clocks, and say the fix')
    .description(
      'Check configuration, data directory, keys, store, port, clock and server, and say the fix of what is ' +
        'wrong. Works while the gateway runs and when it cannot start. Exit code 1 when something fails.',
    )
    .option('--profile <profile>', 'dev or production', 'dev')
    .option('--json', 'as JSON')
    .option('--url <url>', 'a server that runs (default: RINGBACK_URL, else as the settings say)')
    .option('--key-file <file>', 'file with the API key');
  withSettings(command).action(async (flags: Record<string, unknown>) => {
    const { profile, json, url, keyFile, ...settings } = flags;
    const findings = await examine(profile === 'production' ? 'production' : 'dev', settings, {
      url: typeof url === 'string' ? url : undefined,
      keyFile: typeof keyFile === 'string' ? keyFile : undefined,
    });
    if (json === true) printJson({ ok: findings.every(({ status }) => status !== 'fail'), checks: findings });
    else print(findings);
    if (findings.some(({ status }) => status === 'fail')) process.exitCode = 1;
  });
}

async function examine(
  profile: Profile,
  flags: Readonly<Record<string, unknown>>,
  wishes: { readonly url: string | undefined; readonly keyFile: string | undefined },
): Promise<Finding[]> {
  const loaded = loadSettings(profile, flags);
  const findings = [checkNode(), ...checkConfiguration(loaded, profile)];
  const dataDir = settingText(loaded, 'dataDir');
  const storeUrl = settingText(loaded, 'storeUrl');
  const storePath = storeUrl?.startsWith('sqlite:') === true ? storeUrl.slice('sqlite:'.length) : null;
  if (dataDir !== null) {
    await attempt(findings, 'data directory', () => checkDataDir(dataDir));
    await attempt(findings, 'key files', () => checkKeyFiles(loaded, dataDir, storePath));
    await attempt(findings, 'clock', () => [checkClock(dataDir)]);
  }
  await attempt(findings, 'server', () => examineServer(loaded, storeUrl, storePath, wishes));
  return findings;
}

async function examineServer(
  loaded: LoadedConfig,
  storeUrl: string | null,
  storePath: string | null,
  wishes: { readonly url: string | undefined; readonly keyFile: string | undefined },
): Promise<Finding[]> {
  const server = findServer(wishes.url, loaded);
  const answer = await probe(server.url);
  const findings = [...checkServer(answer, server)];
  const serverRuns = answer.kind === 'ringback';
  if (serverRuns && answer.ready) {
    await attempt(findings, 'API key', async () => [
      await checkKey(connectionTo(server, wishes.keyFile, loaded)),
    ]);
  }
  if (storePath !== null) findings.push(checkStoreFile(storePath, serverRuns));
  else if (storeUrl !== null)
    findings.push(ok('store', `${maskUrl(storeUrl)}, asked through the server only`));
  const host = settingText(loaded, 'host');
  const port = settingText(loaded, 'port');
  if (host !== null && port !== null) findings.push(await checkPort(host, Number(port), answer));
  return findings;
}

/** One check that breaks must not keep the others from being made. */
async function attempt(
  findings: Finding[],
  check: string,
  run: () => Finding[] | Promise<Finding[]>,
): Promise<void> {
  try {
    findings.push(...(await run()));
  } catch (error) {
    const [why = '', ...points] = error instanceof Error ? error.message.split('\n') : [String(error)];
    const fix = points.map((point) => point.replace(/^ *- /, '')).join('; ');
    const fallback = error instanceof CliFailure ? 'mend what it says' : 'see the message';
    findings.push(fail(check, why, fix === '' ? fallback : fix));
  }
}

const MARKS = {
  ok: { text: 'ok  ', style: 'green' },
  warn: { text: 'warn', style: 'yellow' },
  fail: { text: 'FAIL', style: 'red' },
} as const;

function print(findings: readonly Finding[]): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, status, detail, fix } of findings) {
    const { text, style } = MARKS[status];
    printText(`${paint(style, text)}  ${check.padEnd(width)}  ${printable(detail)}`);
    if (fix !== null) printText(`${' '.repeat(6 + width)}  fix: ${printable(fix)}`);
  }
  const count = (status: Finding['status']): number => findings.filter((one) => one.status === status).length;
  printText(`\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend`);
}
