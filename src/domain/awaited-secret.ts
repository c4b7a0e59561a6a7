import type { Source } from './settings.ts';

/** Whether a handshake may bring the source a secret at `now`. */
export function awaitsSecret(source: Source, now: number): boolean {
  const awaited = source.awaitsSecret ?? null;
  return awaited !== null && (awaited.until === null || now < awaited.until);
}
