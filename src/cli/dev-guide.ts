import { paint } from './output.ts';

/** What a newcomer can do next, with commands that work when pasted. */
export function printDevGuide(gateway: { readonly url: string; readonly adminKeyFile: string | null }): void {
  // Beside JSON log lines, which belong to whoever reads standard output.
  const stream = process.stdout.isTTY ? process.stdout : process.stderr;
  const cli = 'npm run --silent ringback --';
  const lines = [
    '',
    paint('bold', `Ringback listens on ${gateway.url}`, stream),
    gateway.adminKeyFile === null
      ? '  admin key: the one in RINGBACK_API_KEY'
      : `  admin key: ${gateway.adminKeyFile} (the command line finds it there)`,
    `  API description: ${gateway.url}/openapi.json`,
    '',
    'Try next, in another terminal:',
    `  ${cli} sources create --name github --provider github --secrets my-secret`,
    `  ${cli} destinations create --name mine --url http://127.0.0.1:3000/hook`,
    `  ${cli} subscriptions create --name all --destination-id DST_ID`,
    `  ${cli} events list`,
    '',
    'Stop with Ctrl-C.',
    '',
  ];
  stream.write(lines.join('\n'));
}
