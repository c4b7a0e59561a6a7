import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { ApiClient } from '../api-client.ts';
import { addConnectionOptions, connect, type CommandFlags } from '../connect.ts';
import { textOf } from '../json-value.ts';
import { printable, printJson, printNote } from '../output.ts';
import { type Exported, exportSettings } from './export-settings.ts';
import { loadPresent } from './present-settings.ts';
import { apiPath, KINDS } from './setting-kinds.ts';

/** `export`: prints the file that `apply` takes. */
export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .summary('print what is there as a settings file')
    .description(
      'Print the sources, destinations, subscriptions and event types as a settings file for\n' +
        '"ringback apply". Secrets never leave the server: they become references to variables, such as ${env:GITHUB_SECRET}.',
    )
    .option('--tenant <tenant>', 'whose settings (default: those of the tenant of the key)');
  addConnectionOptions(command, { hasOwnUrl: false });
  command.action(async () => {
    const flags: CommandFlags = command.opts();
    const tenant = typeof flags['tenant'] === 'string' ? flags['tenant'] : null;
    const api = connect(command);
    const present = await loadPresent(api, tenant);
    const exported = exportSettings(present, tenant);
    if (flags['json'] === true) printJson(exported.file);
    else process.stdout.write(fileText(exported));
    const others = tenant === null ? await otherTenants(api, present.tenant) : [];
    if (others.length > 0) {
      printNote(`note: other tenants are not in it: ${others.join(', ')}; --tenant NAME exports one`);
    }
    for (const note of exported.notes) printNote(`note: ${printable(note)}`);
  });
}

async function otherTenants(api: ApiClient, own: string): Promise<string[]> {
  const lists = await Promise.all(KINDS.map((kind) => api.list(apiPath(kind))));
  const tenants = new Set(lists.flat().map((item) => textOf(item, 'tenant') ?? own));
  return [...tenants].filter((tenant) => tenant !== own).toSorted();
}

function fileText({ file, variables }: Exported): string {
  const comment = [
    '# Ringback settings: "ringback apply FILE" makes them so.',
    ...(variables.length === 0
      ? []
      : [
          '# Secrets are not in it. Where they are to be set anew, these variables must hold them:',
          ...variables.map((variable) => `#   ${variable}`),
        ]),
  ];
  // Long expressions stay on one line: folded ones are hard to edit.
  return `${comment.join('\n')}\n${stringify(file, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}
