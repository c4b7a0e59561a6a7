import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { addConnectionOptions, connect, type CommandFlags } from '../connect.ts';
import { textOf } from '../json-value.ts';
import { CliFailure, paint, printable, printJson, printNote, printText, usageFailure } from '../output.ts';
import { carryOut, type Done } from './carry-out.ts';
import { expressionMistakes } from './check-expressions.ts';
import { fileSchema } from './file-schema.ts';
import { makePlan, type Plan } from './plan.ts';
import { pendingSteps, planJson, printPlan } from './plan-view.ts';
import { loadPresent, type PresentSettings } from './present-settings.ts';
import { openSecretsFile, type SecretsFile, secretLine } from './secrets-file.ts';
import { type Kind, singular, spoken } from './setting-kinds.ts';
import {
  byPlace,
  type FileMistake,
  mistakeText,
  readSettingsFile,
  type SettingsFile,
  type WantedSetting,
} from './settings-file.ts';

const CHANGES_PENDING = 2;

/** `apply`: makes what a file says so. */
export function addApplyCommand(program: Command): void {
  const command = program
    .command('apply')
    .summary('make the settings of a file so')
    .description(
      'Make the sources, destinations, subscriptions and event types of a YAML file so: create what is\n' +
        'missing, update what differs, leave the rest alone. Applying a file twice changes nothing the second time.',
    )
    .argument('[file]', 'the settings file; - = standard input')
    .option('--dry-run', 'print the plan and change nothing')
    .option('--exit-code', 'with --dry-run: exit code 2 when there is something to change')
    .option('--prune', 'delete what the file does not name, of the kinds that it has a section for')
    .option('--rotate-secrets', 'send the secrets of what exists too; the old ones count for another 24h')
    .option(
      '--secrets-out <file>',
      'append signing secrets that are made to this file (mode 0600), not the terminal',
    )
    .option('--tenant <tenant>', 'whose settings they are, where the file does not say')
    .option('--schema', 'print the JSON Schema of the file, for editors');
  addConnectionOptions(command, { hasOwnUrl: false });
  command.action(async (path: string | undefined) => {
    const flags: CommandFlags = command.opts();
    if (flags['schema'] === true) return printJson(fileSchema());
    if (path === undefined) throw usageFailure('ringback apply needs a FILE (or --schema)');
    await apply(path, connect(command), flags);
  });
}

/** The part of a file that is about one tenant, with what the server has of it. */
interface Share {
  readonly wanted: readonly WantedSetting[];
  readonly present: PresentSettings;
  readonly plan: Plan;
}

async function apply(path: string, api: ApiClient, flags: CommandFlags): Promise<void> {
  const file = readSettingsFile(readText(path), { env: process.env, readFile: readBeside(path) });
  for (const warning of file.warnings) tell('warning', path, warning);
  const shares = await planShares(file, api, flags, path);
  const plan = joined(shares.map((share) => share.plan));
  const json = flags['json'] === true;
  const isDry = flags['dryRun'] === true;
  if (!json)
    printPlan(
      plan,
      shares.map((share) => share.present.tenant),
    );
  const pending = pendingSteps(plan);
  const done: Done[] = [];
  if (!isDry && pending.length > 0) {
    const secrets = typeof flags['secretsOut'] === 'string' ? openSecretsFile(flags['secretsOut']) : null;
    if (!json) printText('');
    for (const share of shares) {
      await carryOut(api, pendingSteps(share.plan), destinationIds(share.present), (one) => {
        done.push(one);
        report(one, secrets, json);
      });
    }
  }
  if (json)
    printJson({ dry_run: isDry, plan: planJson(plan), applied: done.map((one) => doneJson(one, flags)) });
  if (isDry && flags['exitCode'] === true && pending.length > 0) process.exitCode = CHANGES_PENDING;
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw usageFailure(`${path} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
}

function readBeside(path: string): (name: string) => string {
  const folder = path === '-' ? process.cwd() : dirname(resolve(path));
  return (name) => readFileSync(resolve(folder, name), 'utf8');
}

/** Plans for each tenant of the file. Throws a usage failure with every mistake. */
async function planShares(
  file: SettingsFile,
  api: ApiClient,
  flags: CommandFlags,
  path: string,
): Promise<Share[]> {
  const standing = file.tenant ?? (typeof flags['tenant'] === 'string' ? flags['tenant'] : null);
  const wanted = file.wanted.map((setting) => ({ ...setting, tenant: setting.tenant ?? standing }));
  let parts: Omit<Share, 'plan'>[] = [];
  let isChecked = true;
  try {
    parts = await loadParts(wanted, standing, api);
  } catch (error) {
    // The mistakes of the file can be told without the server; those of names cannot.
    if (file.mistakes.length === 0 || !(error instanceof CliFailure)) throw error;
    isChecked = false;
  }
  const shares = parts.map((part) => ({
    ...part,
    plan: makePlan(part.wanted, part.present, wishes(flags, file.kinds)),
  }));
  const checked = shares.map((share) => expressionMistakes(api, toBeSent(share)));
  const missing = isChecked ? [] : wanted.flatMap(({ missingSecrets }) => missingSecrets);
  const mistakes = [
    ...file.mistakes,
    ...missing,
    ...shares.flatMap(({ plan }) => plan.mistakes),
    ...(await Promise.all(checked)).flat(),
  ];
  if (mistakes.length > 0) throw mistaken(path, mistakes, isChecked);
  return shares;
}

function toBeSent({ wanted, plan }: Share): WantedSetting[] {
  const pending = pendingSteps(plan);
  return wanted.filter(({ kind, name }) => pending.some((step) => step.kind === kind && step.name === name));
}

/** The settings by the tenant that they really are of: no tenant, and the key's own by name, are one. */
async function loadParts(
  wanted: readonly WantedSetting[],
  standing: string | null,
  api: ApiClient,
): Promise<Omit<Share, 'plan'>[]> {
  const tenants = wanted.length === 0 ? [standing] : [...new Set(wanted.map(({ tenant }) => tenant))];
  const parts = new Map<string, { wanted: WantedSetting[]; present: PresentSettings }>();
  for (const tenant of tenants) {
    const present = await loadPresent(api, tenant);
    const part = parts.get(present.tenant) ?? { wanted: [], present };
    part.wanted.push(...wanted.filter((setting) => setting.tenant === tenant));
    parts.set(present.tenant, part);
  }
  return [...parts.values()];
}

function wishes(flags: CommandFlags, kinds: ReadonlySet<Kind>) {
  return { prune: flags['prune'] === true, rotateSecrets: flags['rotateSecrets'] === true, kinds };
}

function mistaken(path: string, mistakes: readonly FileMistake[], isChecked: boolean): CliFailure {
  const sorted = mistakes.toSorted(byPlace);
  const count = sorted.length === 1 ? 'a mistake' : `${sorted.length} mistakes`;
  const points = [...new Set(sorted.map((mistake) => mistakeText(path, mistake)))];
  if (!isChecked) points.push('names were not looked up: the server did not answer');
  return usageFailure(`${path} has ${count}; nothing was changed:`, points);
}

function tell(kind: string, file: string, mistake: FileMistake): void {
  printNote(`${paint('yellow', `${kind}:`, process.stderr)} ${mistakeText(file, mistake)}`);
}

function joined(plans: readonly Plan[]): Plan {
  return {
    steps: plans.flatMap(({ steps }) => steps),
    mistakes: plans.flatMap(({ mistakes }) => mistakes),
    uncompared: plans.flatMap(({ uncompared }) => uncompared),
  };
}

function destinationIds(present: PresentSettings): Map<string, string> {
  return new Map(
    present.byKind.destinations.map((item) => [textOf(item, 'name') ?? '', textOf(item, 'id') ?? '']),
  );
}

const PAST = { create: 'created', update: 'updated', delete: 'deleted', unchanged: 'unchanged' } as const;

function report({ step, answer, madeSecret }: Done, secrets: SecretsFile | null, json: boolean): void {
  if (madeSecret !== null && secrets !== null) secrets.append(secretLine(step.name, madeSecret));
  if (json) return;
  const isNewSource = step.kind === 'sources' && step.action === 'create';
  const url = isNewSource ? `  ${textOf(answer, 'url') ?? ''}` : '';
  printText(`${PAST[step.action]} ${spoken(step.kind)} ${printable(step.name)}${url}`);
  if (madeSecret === null) return;
  if (secrets === null) printText(`  signing secret, shown this once: ${madeSecret}`);
  else printText(`  signing secret: in ${secrets.path}`);
}

function doneJson({ step, answer, madeSecret }: Done, flags: CommandFlags): unknown {
  return {
    action: step.action,
    kind: singular(step.kind),
    name: step.name,
    id: textOf(answer, 'id') ?? step.id,
    ...(step.kind === 'sources' && step.action === 'create' ? { url: textOf(answer, 'url') } : {}),
    ...(madeSecret === null || flags['secretsOut'] !== undefined ? {} : { secret: madeSecret }),
  };
}
