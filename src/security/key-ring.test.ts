import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyFileError } from './key-file.ts';
import { KeyRing } from './key-ring.ts';
import { systemRandomness } from './randomness.ts';

let directory: string;
let file: { path: string; randomness: typeof systemRandomness };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ringback-ring-'));
  file = { path: join(directory, 'secret.key'), randomness: systemRandomness };
});
afterEach(() => rmSync(directory, { recursive: true }));

const lines = (): string[] => readFileSync(file.path, 'utf8').trim().split('\n');

describe('keys in a file', () => {
  it('are joined by a newer one, on disk before it seals', () => {
    const ring = KeyRing.inFile(file);
    const old = ring.seal('secret', 'c');
    const [first] = lines();
    ring.addNewest();
    expect(lines()).toEqual([expect.any(String), first]);
    expect(ring.count).toBe(2);
    expect(ring.isNewest(old)).toBe(false);
    const fresh = ring.seal('secret', 'c');
    expect(ring.isNewest(fresh)).toBe(true);
    const restarted = KeyRing.inFile(file);
    expect([old, fresh].map((sealed) => restarted.open(sealed, 'c'))).toEqual(['secret', 'secret']);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['secret.key']);
  });

  it('go, but for the newest', () => {
    const ring = KeyRing.inFile(file);
    const old = ring.seal('secret', 'c');
    expect(ring.keepNewest()).toBe(0);
    ring.addNewest();
    const fresh = ring.seal('secret', 'c');
    expect(ring.keepNewest()).toBe(1);
    expect(lines()).toHaveLength(1);
    expect(KeyRing.inFile(file).open(fresh, 'c')).toBe('secret');
    expect(() => ring.open(old, 'c')).toThrow(/which is not among the secret keys/);
  });

  it('stay as they are when the file was changed by another hand', () => {
    const ring = KeyRing.inFile(file);
    writeFileSync(file.path, `${Buffer.alloc(32, 9).toString('base64')}\n`);
    expect(() => ring.addNewest()).toThrow(KeyFileError);
    expect(() => ring.addNewest()).toThrow(/was changed since the start/);
    expect(ring.count).toBe(1);
    rmSync(file.path);
    expect(() => ring.addNewest()).toThrow(/was changed since the start/);
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'stay as they are when the new file cannot be written',
    () => {
      const ring = KeyRing.inFile(file);
      const before = lines();
      chmodSync(directory, 0o500);
      expect(() => ring.addNewest()).toThrow(/cannot write/);
      chmodSync(directory, 0o700);
      expect(lines()).toEqual(before);
      expect(ring.count).toBe(1);
    },
  );
});

describe('keys of the operator', () => {
  it('are not the gateway’s to change', () => {
    const ring = KeyRing.ofOperator([Buffer.alloc(32, 2), Buffer.alloc(32, 1)]);
    expect([ring.isOwn, ring.count]).toEqual([false, 2]);
    expect(() => ring.addNewest()).toThrow(TypeError);
    expect(() => ring.keepNewest()).toThrow(TypeError);
  });
});
