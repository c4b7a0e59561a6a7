import { appendFileSync, chmodSync } from 'node:fs';
import { failure } from '../output.ts';

/** A file that takes secrets as lines of an environment file. */
export interface SecretsFile {
  readonly path: string;
  append(line: string): void;
}

/** Makes the file, or closes an existing one to others, before there is a secret to lose. */
export function openSecretsFile(path: string): SecretsFile {
  const append = (text: string): void => appendFileSync(path, text, { mode: 0o600 });
  try {
    append('');
    chmodSync(path, 0o600);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw failure(`the secrets file cannot be written (nothing was changed): ${why}`);
  }
  return { path, append: (line) => append(`${line}\n`) };
}

/** `crm-eu` -> `CRM_EU` */
export function variableName(name: string, suffix: string): string {
  const letters = name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  const base = letters === '' ? 'SETTING' : letters;
  return `${/^\d/.test(base) ? '_' : ''}${base}_${suffix}`;
}

export function secretLine(name: string, secret: string): string {
  return `${variableName(name, 'SIGNING_SECRET')}=${secret}`;
}
