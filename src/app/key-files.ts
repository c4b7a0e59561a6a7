import { join } from 'node:path';
import { KeyFileError, loadApiKey } from '../security/key-file.ts';

/** Files of the data directory that hold keys; both are readable by their owner only. */
export const SECRET_KEY_FILE = 'secret.key';
export const ADMIN_KEY_FILE = 'admin.key';

/** Where a gateway keeps the first admin key that it made itself. */
export function adminKeyPath(dataDir: string): string {
  return join(dataDir, ADMIN_KEY_FILE);
}

/** Where a gateway keeps the keys that seal secrets, unless the operator set them. */
export function secretKeyPath(dataDir: string): string {
  return join(dataDir, SECRET_KEY_FILE);
}

/**
 * The text of a key file, `null` when there is none. A file that must not be used (others can read it,
 * it cannot be read) is told as a problem with its fix.
 */
export function readKeyFile(
  path: string,
):
  | { readonly ok: true; readonly key: string | null }
  | { readonly ok: false; readonly problem: string; readonly fix: string } {
  try {
    const key = loadApiKey(path);
    return { ok: true, key: key === '' ? null : key };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return { ok: false, problem: error.message.replace(`: ${error.fix}`, ''), fix: error.fix };
  }
}
