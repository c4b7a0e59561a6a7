import type { Command } from 'commander';
import { ApiClient } from './api-client.ts';
import { findConnection } from './connection.ts';

export type CommandFlags = Readonly<Record<string, unknown>>;

const URL_HELP = 'the server (default: RINGBACK_URL, else the one that the settings here describe)';

/** Options of the program itself, that stand before the command: `ringback --url URL sources list`. */
export function addProgramConnectionOptions(program: Command): void {
  program
    .option('--url <url>', URL_HELP)
    .option('--key-file <file>', 'file with the API key (default: RINGBACK_API_KEY, else admin.key)');
}

/** Options of every command that talks to the server. */
export function addConnectionOptions(command: Command, shape: { readonly hasOwnUrl: boolean }): void {
  command.optionsGroup('Connection and output:');
  command.option('--json', "the server's answer as JSON");
  // Where --url is a field of the request, the server is named before the command.
  if (!shape.hasOwnUrl) command.option('--url <url>', URL_HELP);
  command
    .option('--key-file <file>', 'file with the API key (default: RINGBACK_API_KEY, else admin.key)')
    .option('--data-dir <dir>', 'data directory of a server on this machine, where its admin.key is');
  if (shape.hasOwnUrl) {
    command.addHelpText('after', '\nTo name the server: ringback --url URL COMMAND, or RINGBACK_URL.');
  }
}

/** A client as the options of the command, and those before it, say. */
export function connect(command: Command): ApiClient {
  const own: CommandFlags = command.opts();
  const program: CommandFlags = rootOf(command).opts();
  const hasServerUrl = command.options.some(
    (option) => option.long === '--url' && option.description === URL_HELP,
  );
  return new ApiClient(
    findConnection({
      url: (hasServerUrl ? text(own['url']) : undefined) ?? text(program['url']),
      keyFile: text(own['keyFile']) ?? text(program['keyFile']),
      dataDir: text(own['dataDir']),
    }),
  );
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
