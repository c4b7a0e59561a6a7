import { afterEach } from 'vitest';

interface Closable {
  close(): Promise<void>;
}

/** Closes after each test of the file what it has used. */
export function closeAfterEach(): {
  readonly use: <Used extends Closable>(starting: Used | Promise<Used>) => Promise<Used>;
  /** As `use`, for what is there at once. */
  readonly useNow: <Used extends Closable>(used: Used) => Used;
} {
  const open: Closable[] = [];
  afterEach(async () => {
    for (const used of open.splice(0)) await used.close();
  });
  const useNow = <Used extends Closable>(used: Used): Used => {
    open.push(used);
    return used;
  };
  return { useNow, use: async (starting) => useNow(await starting) };
}
