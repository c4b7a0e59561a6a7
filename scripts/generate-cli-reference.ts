import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { format, resolveConfig } from 'prettier';
import { createProgram } from '../src/cli/program.ts';
import { flagName, SETTING_KEYS } from '../src/config/schema.ts';
import { writeOrCheck } from './generated-file.ts';

const TARGET = 'docs/reference/cli.md';

const INTRODUCTION = `# Command line

<!-- Made by scripts/generate-cli-reference.ts from src/cli and src/api: change those. -->

Installed, it is \`ringback COMMAND\`; in a checkout, \`npm run --silent ringback -- COMMAND\`.

Every operation of the API is a command: \`POST /v1/sources\` is \`ringback sources create\`.

- **Which server.** \`--url\`, else \`RINGBACK_URL\`, else the host and port that the settings here describe
  (\`http://127.0.0.1:8420\` unless they say otherwise). Where \`--url\` is a field of the request, as in
  \`destinations create\`, name the server before the command: \`ringback --url URL destinations create ...\`.
- **Which key.** \`--key-file\`, else \`RINGBACK_API_KEY\`, else \`admin.key\` in the data directory of a server
  on this machine (\`--data-dir\`). The key of a local server is never sent to another machine.
- **Names for ids.** Sources, destinations, subscriptions and keys may be named wherever an id is asked for.
- **Values.** Lists are separated by commas, or the option is given again. An object is JSON, or its fields
  with a dot (\`--rate-limit.limit 10 --rate-limit.period 1s\`). \`@FILE\` reads JSON, an expression or a secret
  from a file and \`-\` from standard input, so that secrets stay out of the shell history; \`@@x\` is the text
  \`@x\`. Times are RFC 3339, dates, or durations such as \`2h\`. \`--body FILE\` gives the whole request body;
  options change it.
- **Output.** A table or \`key  value\` lines for people; \`--json\` prints the answer of the API as it is, and a
  refusal as problem JSON on standard error. Colours only on a terminal, and not with \`NO_COLOR\`.
- **Exit codes.** 0: done. 1: a problem. 2: the command was not written as it must be.
`;

const CONNECTION = new Set(['--json', '--key-file', '--data-dir', '--url', '--help']);
const SETTINGS = new Set(['--config', ...SETTING_KEYS.map((key) => flagName(key))]);

async function reference(): Promise<string> {
  const program = await createProgram();
  const commands = program.commands.filter((command) => command.name() !== 'help');
  const summary = commands.map(
    (command) => `| [\`${command.name()}\`](#${command.name()}) | ${line(command)} |`,
  );
  return [
    INTRODUCTION,
    '| command | what it does |\n| --- | --- |',
    ...summary,
    '',
    ...commands.flatMap((command) => section(command, 'ringback', 2)),
  ].join('\n');
}

function section(command: Command, parent: string, depth: number): string[] {
  const name = `${parent} ${command.name()}`;
  const children = command.commands.filter((child) => child.name() !== 'help');
  const title = depth === 2 ? command.name() : name.replace('ringback ', '');
  const heading = [`${'#'.repeat(depth)} ${title}`, '', sentence(command.description()), ''];
  if (children.length > 0)
    return [...heading, ...children.flatMap((child) => section(child, name, depth + 1))];
  const args = command.registeredArguments.map((argument) => ` <${argument.name()}>`).join('');
  return [...heading, '```sh', `${name}${args} [options]`, '```', '', ...optionTable(command), ''];
}

function optionTable(command: Command): string[] {
  const own = command.options.filter((option) => !option.hidden && isOwn(command, option));
  const rows = own.map((option) => `| \`${cell(option.flags)}\` | ${cell(optionText(option))} |`);
  const table = rows.length === 0 ? [] : ['| option | meaning |\n| --- | --- |', ...rows, ''];
  return isSetting(command)
    ? [...table, 'Also every [setting](configuration.md) that has a flag.', '']
    : table;
}

/** `dev`, `start`, `config show`, `doctor`: a server's settings are options of theirs. */
function isSetting(command: Command): boolean {
  return command.options.some((option) => option.long === '--log-level');
}

function isOwn(command: Command, option: Option): boolean {
  if (option.long === null || option.long === undefined) return true;
  const isServerUrl = option.long === '--url' && option.description.startsWith('the server');
  if (option.long === '--url') return !isServerUrl;
  return !CONNECTION.has(option.long) && !(isSetting(command) && SETTINGS.has(option.long));
}

function optionText(option: Option): string {
  const choices = option.argChoices?.map((choice) => `\`${choice}\``).join(', ');
  return [option.description, ...(choices === undefined ? [] : [choices])]
    .filter((part) => part !== '')
    .join(': ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function line(command: Command): string {
  return cell(command.summary() === '' ? command.description() : command.summary());
}

function sentence(text: string): string {
  const capital = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return capital.endsWith('.') ? capital : `${capital}.`;
}

const path = fileURLToPath(new URL(`../${TARGET}`, import.meta.url));
// As `prettier --check` wants it, or the two checks could never both pass.
writeOrCheck(TARGET, await format(await reference(), { ...(await resolveConfig(path)), filepath: path }));
