import { InvalidArgumentError, type Command } from 'commander';
import { webhookSignature } from '../../app/webhook-signature.ts';
import type { ApiClient } from '../api-client.ts';
import { addConnectionOptions, connect, type CommandFlags } from '../connect.ts';
import { durationOption } from '../duration-option.ts';
import { readSecret } from '../field-values.ts';
import { textOf } from '../json-value.ts';
import { paint, printable, printNote, printText, usageFailure } from '../output.ts';
import { toldInNotes } from '../tail-command.ts';
import { ForwardLines, type Screen } from './forward-lines.ts';
import { ListenCursor, placesFolder } from './listen-cursor.ts';
import { ListenSession } from './listen-session.ts';
import { LocalProgram } from './local-program.ts';
import { type KeyInput, TerminalKeys } from './terminal-keys.ts';

/** What the command was told. */
export interface ListenFlags {
  readonly forward?: string;
  readonly source: readonly string[];
  readonly type?: string;
  readonly filter?: string;
  readonly name?: string;
  readonly print?: boolean;
  readonly reveal?: boolean;
  readonly replayLast: number;
  readonly fresh?: boolean;
  readonly skipFailed?: number | true;
  readonly secret?: string;
  readonly timeout: number;
  readonly readTimeout: number;
  readonly json?: boolean;
  readonly dataDir?: string;
}

const EXAMPLES = `
Examples:
  $ ringback listen --forward http://localhost:3000/hook
  $ ringback listen --forward http://localhost:3000/hook --source github --source stripe
  $ ringback listen --forward http://localhost:3000/hook --filter 'data.action == "opened"'
  $ ringback listen --print --replay-last 5

An event counts as done when the program answers 2xx, and the place in the log is kept then: the next
start goes on there. What is answered otherwise is tried again, in order; see --skip-failed.`;

/** `listen`: events to a program on this machine, catching up on what came while away. */
export function addListenCommand(program: Command): void {
  const command = program
    .command('listen')
    .summary('bring events to a program on this machine, also those that came while away')
    .description(
      'Bring events to a program on this machine over one outgoing connection: the body and the headers as ' +
        "they came, so that the sender's own signature still verifies.",
    )
    .option('--forward <url>', 'where the program listens')
    .option(
      '--source <id-or-name>',
      'only of this source, also one that is made later; may be repeated',
      collect,
      [],
    )
    .option('--type <pattern>', 'only of this type, or a pattern such as invoice.*')
    .option('--filter <cel>', 'only what fits, see docs/filters.md')
    .option('--print', 'show headers and body of each event')
    .option('--reveal', 'show credentials in headers whole')
    .option('--replay-last <n>', 'begin with the last n events', count(0, 1_000), 0)
    .option('--fresh', 'forget where the last run ended: begin now')
    .option('--name <name>', 'keep a place of its own; listeners of different names each get every event')
    .option(
      '--skip-failed [attempts]',
      'give up an event that was answered without 2xx so often (default once)',
      count(1, 1_000),
    )
    .option(
      '--secret <secret>',
      'sign as Ringback signs deliveries (whsec_...); @file or - keeps it out of the shell history',
    )
    .option(
      '--timeout <duration>',
      'how long the program may take to answer',
      durationOption('100ms', '1h'),
      30_000,
    )
    .option(
      '--read-timeout <duration>',
      'without a sign of life for so long, connect anew',
      durationOption('2s', '5m'),
      45_000,
    );
  addConnectionOptions(command, { hasOwnUrl: false });
  command.addHelpText('after', EXAMPLES);
  command.action(async () => {
    const flags: CommandFlags & ListenFlags = command.opts();
    const controls = { input: process.stdin.isTTY ? process.stdin : null, screen: STANDARD };
    await listen(connect(command), flags, controls);
  });
}

const STANDARD: Screen = { line: printText, note: printNote };

/** Where the keys are read from, `null` = nobody is there to press any; and where lines go. */
export interface ListenControls {
  readonly input: KeyInput | null;
  readonly screen: Screen;
}

/** Ends with the session. Rejects when it cannot begin or go on. */
export async function listen(api: ApiClient, flags: ListenFlags, controls: ListenControls): Promise<void> {
  if (flags.forward === undefined && flags.print !== true) {
    throw usageFailure('say where events go', [
      '--forward http://localhost:3000/hook',
      'or --print to see them alone',
    ]);
  }
  const { screen } = controls;
  const program = localProgram(flags);
  const name = flags.name ?? (program === null ? 'print' : program.url.host + program.url.pathname);
  await tellUnknownSources(api, flags.source, screen);
  const folder = placesFolder(api.connection.url, flags.dataDir);
  const identity = {
    gateway: api.connection.url,
    name,
    sources: flags.source.toSorted(),
    type: flags.type ?? null,
    filter: flags.filter ?? null,
  };
  const cursor = ListenCursor.open(folder, identity, flags.fresh === true);
  const lines = new ForwardLines(screen, {
    json: flags.json === true,
    print: flags.print === true,
    reveal: flags.reveal === true,
    hasKeys: controls.input !== null,
    target: program === null ? '' : program.url.href,
  });
  const opening = openingText(api, flags, cursor, program);
  const session = new ListenSession({
    api,
    program,
    cursor,
    sources: flags.source,
    type: flags.type ?? null,
    filter: flags.filter ?? null,
    last: flags.replayLast,
    silenceLimitMs: flags.readTimeout,
    skipAfter: flags.skipFailed === undefined ? null : flags.skipFailed === true ? 1 : flags.skipFailed,
    json: flags.json === true,
    lines,
    screen,
    told: toldInNotes(opening, (text) => screen.note(text)),
  });
  await runUntilQuit(session, controls, async () => {
    cursor.release();
    await program?.close();
  });
  const skipped = lines.skippedCount === 0 ? '' : `, ${lines.skippedCount} skipped`;
  screen.note(`ended: ${lines.forwardedCount} forwarded${skipped}; the next start goes on from here`);
}

function openingText(
  api: ApiClient,
  flags: ListenFlags,
  cursor: ListenCursor,
  program: LocalProgram | null,
): string {
  const from = cursor.place === '' ? 'from now on' : 'from where the last run ended';
  const to = program === null ? '' : ` to ${program.url.href}`;
  const sources =
    flags.source.length === 0 ? 'all sources' : flags.source.map((one) => printable(one)).join(', ');
  const last = flags.replayLast === 0 ? '' : `, the last ${flags.replayLast} first`;
  return `listening at ${api.connection.url}${to}: ${sources}, ${from}${last}`;
}

const HELP =
  'keys: o where to look at the last, r replay it, s skip a failing one, f filter, p pause, q quit';

/** Signals end it in good order, and so do keys; whatever happens, the terminal is left as it was. */
export async function runUntilQuit(
  session: ListenSession,
  { input, screen }: ListenControls,
  close: () => Promise<void>,
): Promise<void> {
  const quit = (): void => session.quit();
  process.on('SIGINT', quit);
  process.on('SIGTERM', quit);
  const keys = input === null ? null : terminalKeys(input, session, screen);
  try {
    await session.run();
  } finally {
    keys?.close();
    process.removeListener('SIGINT', quit);
    process.removeListener('SIGTERM', quit);
    await close();
  }
}

function terminalKeys(input: KeyInput, session: ListenSession, screen: Screen): TerminalKeys {
  const help = (): void => screen.note(paint('dim', HELP, process.stderr));
  const keys = new TerminalKeys(input, {
    quit: () => session.quit(),
    echo: (text) => process.stderr.write(text),
    keys: {
      o: () => session.inspectLast(),
      r: () => session.replayLast(),
      s: () => session.skip(),
      p: () => session.togglePause(),
      q: () => session.quit(),
      h: help,
      '?': help,
      f: () => {
        void keys
          .ask('filter (CEL, empty = none): ')
          .then((text) => (text === null ? undefined : session.changeFilter(text)))
          .catch((error: unknown) => screen.note(error instanceof Error ? error.message : String(error)));
      },
    },
  });
  keys.start();
  help();
  return keys;
}

function localProgram(flags: ListenFlags): LocalProgram | null {
  if (flags.forward === undefined) return null;
  const text = /^\d+$/.test(flags.forward) ? `http://127.0.0.1:${flags.forward}/` : flags.forward;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw usageFailure(
      `--forward must be an http or https URL such as http://localhost:3000/hook, not "${printable(text)}"`,
    );
  }
  const { secret, timeout: timeoutMs } = flags;
  if (secret === undefined) return new LocalProgram({ url, timeoutMs, sign: null });
  const made = webhookSignature(readSecret(secret, '--secret'));
  if ('mistake' in made) throw usageFailure(`--secret ${made.mistake}`);
  return new LocalProgram({ url, timeoutMs, sign: made.sign });
}

/** A source may be made later; but most who name one that there is not have mistyped it. */
async function tellUnknownSources(api: ApiClient, wanted: readonly string[], screen: Screen): Promise<void> {
  if (wanted.length === 0) return;
  const sources = await api.list('/v1/sources');
  const known = new Set(sources.flatMap((one) => [textOf(one, 'id') ?? '', textOf(one, 'name') ?? '']));
  for (const name of wanted) {
    if (known.has(name) || name === 'api') continue;
    screen.note(
      paint('yellow', `no source is called ${printable(name)} yet; waiting for one`, process.stderr),
    );
  }
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
