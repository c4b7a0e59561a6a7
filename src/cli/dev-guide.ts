import { resolve } from 'node:path';
import { cliName } from './cli-name.ts';
import { paint } from './output.ts';

/** What a newcomer can do next, with commands that work when pasted. */
export function printDevGuide(gateway: { readonly url: string; readonly adminKeyFile: string | null }): void {
  // Beside JSON log lines, which belong to whoever reads standard output.
  const stream = process.stdout.isTTY ? process.stdout : process.stderr;
  const cli = cliName();
  const isDefaultUrl = gateway.url === 'http://127.0.0.1:8420';
  const isDefaultKey =
    gateway.adminKeyFile === null || gateway.adminKeyFile === resolve('.ringback/admin.key');
  const lines = [
    '',
    paint('bold', `Ringback listens on ${gateway.url}`, stream),
    gateway.adminKeyFile === null
      ? '  admin key: the one in RINGBACK_API_KEY'
      : `  admin key: ${gateway.adminKeyFile}${isDefaultKey ? ' (the command line finds it there)' : ''}`,
    `  API description: ${gateway.url}/openapi.json`,
    '',
    'Try next, in another terminal:',
    ...(isDefaultUrl ? [] : [`  export RINGBACK_URL=${gateway.url}`]),
    ...(isDefaultKey ? [] : [`  export RINGBACK_API_KEY="$(cat ${gateway.adminKeyFile})"`]),
    `  ${cli} sources create --name github --provider github --secrets my-secret`,
    `  ${cli} destinations create --name mine --url http://127.0.0.1:3000/hook`,
    `  ${cli} subscriptions create --name all --destination-id mine`,
    `  ${cli} events tail`,
    '',
    'Stop with Ctrl-C.',
    '',
  ];
  stream.write(lines.join('\n'));
}
