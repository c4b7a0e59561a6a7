import { relative } from 'node:path';

/** How the command line is called here, so that what we print works when it is pasted. */
export function cliName(): string {
  const script = process.env['npm_lifecycle_event'];
  if (script === 'ringback' || script === 'start') return 'npm run --silent ringback --';
  const file = process.argv[1] ?? '';
  return file.endsWith('main.ts') ? `node ${relative(process.cwd(), file)}` : 'ringback';
}
