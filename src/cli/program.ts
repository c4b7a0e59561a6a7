import { Command, CommanderError } from 'commander';
import { readVersion } from '../app/version.ts';
import { ProblemFailure } from './api-client.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addProgramConnectionOptions } from './connect.ts';
import { addOperationCommands } from './operation-commands.ts';
import { asJson, CliFailure, paint, printNote } from './output.ts';
import { addServerCommands } from './server-commands.ts';
import { addTailCommand } from './tail-command.ts';
import { addWhyCommand } from './why-command.ts';

const USAGE = 2;

/** The command line: the server, its settings, and every operation of the catalogue. */
export function createProgram(): Command {
  const program = new Command('ringback')
    .description('Webhook gateway for AI agents: verified, durable, in and out.')
    .version(readVersion())
    .showHelpAfterError('(add --help to see what there is)')
    .exitOverride()
    .enablePositionalOptions();
  addProgramConnectionOptions(program);
  program.commandsGroup('Run a gateway:');
  addServerCommands(program);
  program.commandsGroup('Use a gateway:');
  const resources = addOperationCommands(program);
  const events = resources.get('events');
  if (events !== undefined) addTailCommand(events);
  program.commandsGroup('Find out:');
  addWhyCommand(program);
  addDoctorCommand(program);
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
    await createProgram().parseAsync(argv);
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
