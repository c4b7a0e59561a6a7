import { Command } from 'commander';
import { readVersion } from '../app/version.ts';
import { CliFailure, paint } from './output.ts';
import { addServerCommands } from './server-commands.ts';

/** The command line: the server, its settings, and every operation of the catalogue. */
export async function runCli(argv: readonly string[]): Promise<void> {
  const program = new Command('ringback')
    .description('Webhook gateway for AI agents: verified, durable, in and out.')
    .version(readVersion())
    .showHelpAfterError('(run with --help to see what there is)');
  addServerCommands(program);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${error.message}\n`);
    process.exitCode = 1;
  }
}
