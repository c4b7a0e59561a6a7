import { Command, CommanderError } from 'commander';
import { readVersion } from '../app/version.ts';
import { ProblemFailure } from './api-client.ts';
import { addProgramConnectionOptions } from './connect.ts';
import { asJson, CliFailure, paint, printNote } from './output.ts';
import { addServerCommands } from './server-commands.ts';
import { addStoreCommands } from './store-commands.ts';

const USAGE = 2;

/** Commands that must work, and start fast, whatever the rest of the command line is like. */
const SERVER_COMMANDS = new Set(['dev', 'start', 'config', 'migrate', 'move']);

/** The command line: the server, its settings, and every operation of the catalogue. */
export async function createProgram(): Promise<Command> {
  const program = serverProgram();
  const { addClientCommands } = await import('./client-commands.ts');
  addClientCommands(program);
  return program;
}

function serverProgram(): Command {
  const program = new Command('ringback')
    .description('Webhook gateway for AI agents: verified, durable, in and out.')
    .version(readVersion())
    .showHelpAfterError('(add --help to see what there is)')
    .exitOverride()
    .enablePositionalOptions();
  addProgramConnectionOptions(program);
  program.commandsGroup('Run a gateway:');
  addServerCommands(program);
  program.commandsGroup('Care for the store:');
  addStoreCommands(program);
  return program;
}

/** Runs one command. Exit code 0: done; 1: a problem; 2: the command was not written as it must be. */
export async function runCli(argv: readonly string[]): Promise<void> {
  // `ringback events list | head` closes the pipe early; that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  try {
    const program = SERVER_COMMANDS.has(argv[2] ?? '') ? serverProgram() : await createProgram();
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what is wrong; help that was asked for is no error.
      process.exitCode = error.exitCode === 0 ? 0 : USAGE;
    } else if (error instanceof CliFailure) {
      tell(error, argv.includes('--json'));
      process.exitCode = error.exitCode;
    } else throw error;
  }
}

function tell(error: CliFailure, json: boolean): void {
  if (json && error instanceof ProblemFailure) printNote(asJson(error.document, 2));
  else printNote(`${paint('red', 'error:', process.stderr)} ${error.message}`);
}
