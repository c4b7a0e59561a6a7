import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiKeyHint, isApiKey, makeApiKey } from './api-key.ts';
import { KeyFileError, loadApiKey, loadOrCreateApiKey, loadOrCreateSecretKeys } from './key-file.ts';
import { systemRandomness } from './randomness.ts';
import { createSecretBox, secretKeyId } from './secret-box.ts';

const OLD_KEY = Buffer.alloc(32, 1);
const NEW_KEY = Buffer.alloc(32, 2);

describe('secret box', () => {
  const box = createSecretBox([NEW_KEY, OLD_KEY]);

  it('opens what it sealed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plaintext, context) => {
        expect(box.open(box.seal(plaintext, context), context)).toBe(plaintext);
      }),
    );
  });

  it('names version and key, and never seals twice alike', () => {
    const sealed = box.seal('whsec_x', 'src_1');
    expect(sealed).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+$/);
    expect(sealed.split('.')[1]).toBe(secretKeyId(NEW_KEY));
    expect(box.seal('whsec_x', 'src_1')).not.toBe(sealed);
  });

  it('refuses another context', () => {
    expect(() => box.open(box.seal('secret', 'src_1'), 'src_2')).toThrow('belongs to something else');
  });

  it('refuses every change of a character', () => {
    const sealed = box.seal('secret', 'src_1');
    fc.assert(
      fc.property(
        fc.nat(sealed.length - 1),
        fc.constantFrom('a', 'B', '3', '-', '_', '.', '='),
        (at, char) => {
          fc.pre(sealed[at] !== char);
          expect(() => box.open(sealed.slice(0, at) + char + sealed.slice(at + 1), 'src_1')).toThrow(Error);
        },
      ),
    );
    expect(() => box.open(`${sealed}.`, 'src_1')).toThrow('no sealed secret');
    expect(() => box.open(`${sealed}=`, 'src_1')).toThrow('damaged');
    expect(() => box.open('v1.x.', 'src_1')).toThrow('damaged');
  });

  it('opens what an older key sealed, and says which key is missing', () => {
    const sealed = createSecretBox([OLD_KEY]).seal('secret', 'c');
    expect(box.open(sealed, 'c')).toBe('secret');
    expect(() => createSecretBox([NEW_KEY]).open(sealed, 'c')).toThrow(secretKeyId(OLD_KEY));
  });

  it('takes only keys of 32 bytes', () => {
    expect(() => createSecretBox([])).toThrow('at least one key');
    expect(() => createSecretBox([Buffer.alloc(16)])).toThrow('32 bytes, not 16');
  });

  it('digests with SHA-256 (FIPS 180-4, "abc")', () => {
    expect(box.digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});

describe('API keys', () => {
  it('have the form and differ', () => {
    const keys = new Set(Array.from({ length: 200 }, () => makeApiKey(systemRandomness)));
    expect(keys.size).toBe(200);
    expect([...keys].every(isApiKey)).toBe(true);
  });

  it('use every character equally: bytes that would favour some are thrown away', () => {
    let next = 0;
    const cycle = { bytes: (count: number) => Uint8Array.from({ length: count }, () => next++ % 256) };
    const counts = new Map<string, number>();
    for (let made = 0; made < 62; made++) {
      for (const char of makeApiKey(cycle).slice(3)) counts.set(char, (counts.get(char) ?? 0) + 1);
    }
    expect(counts.size).toBe(62);
  });

  it('are told apart by a hint', () => {
    expect(apiKeyHint('rb_0123456789')).toBe('rb_012345');
  });
});

describe('key files', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ringback-keys-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('are made once, for this user only, and leave no drafts', () => {
    const path = join(directory, 'data', 'secret.key');
    const keys = loadOrCreateSecretKeys(path, systemRandomness);
    expect(keys).toHaveLength(1);
    expect(loadOrCreateSecretKeys(path, systemRandomness)).toEqual(keys);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'data')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(directory, 'data'))).toEqual(['secret.key']);
  });

  it('may hold several secret keys, newest first', () => {
    const path = join(directory, 'secret.key');
    writeFileSync(path, `${NEW_KEY.toString('base64')}\n${OLD_KEY.toString('base64')}\n`, { mode: 0o600 });
    expect(loadOrCreateSecretKeys(path, systemRandomness)).toEqual([NEW_KEY, OLD_KEY]);
  });

  it('are refused when others may read them, with the fix', () => {
    const path = join(directory, 'admin.key');
    loadOrCreateApiKey(path, systemRandomness);
    for (const mode of [0o644, 0o640, 0o602]) {
      chmodSync(path, mode);
      expect(() => loadOrCreateApiKey(path, systemRandomness)).toThrow(`run: chmod 600 ${path}`);
    }
    chmodSync(path, 0o400);
    expect(loadOrCreateApiKey(path, systemRandomness).created).toBe(false);
  });

  it('are never overwritten when damaged', () => {
    const path = join(directory, 'secret.key');
    writeFileSync(path, 'half a key', { mode: 0o600 });
    expect(() => loadOrCreateSecretKeys(path, systemRandomness)).toThrow(KeyFileError);
    expect(() => loadOrCreateApiKey(path, systemRandomness)).toThrow('holds no API key');
    expect(readFileSync(path, 'utf8')).toBe('half a key');
  });

  it('take the key of a process that was faster', () => {
    const path = join(directory, 'admin.key');
    const faster = makeApiKey(systemRandomness);
    const { key, created } = loadOrCreateApiKey(path, {
      bytes: (count) => {
        writeFileSync(path, faster, { mode: 0o600 });
        return systemRandomness.bytes(count);
      },
    });
    expect([key, created]).toEqual([faster, false]);
    expect(readdirSync(directory)).toEqual(['admin.key']);
  });

  it('say so when the place is no file or missing', () => {
    mkdirSync(join(directory, 'admin.key'));
    expect(() => loadOrCreateApiKey(join(directory, 'admin.key'), systemRandomness)).toThrow('is not a file');
    expect(loadApiKey(join(directory, 'none'))).toBeNull();
  });
});

describe('system randomness', () => {
  it('gives bytes and fractions', () => {
    expect(systemRandomness.bytes(16)).toHaveLength(16);
    const fraction = systemRandomness.fraction();
    expect(fraction >= 0 && fraction < 1).toBe(true);
  });
});
