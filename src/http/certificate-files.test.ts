import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LOCALHOST, OTHER_LOCALHOST } from '../../test/e2e/receivers/test-authority.ts';
import { type CertificatePaths, readCertificate, watchCertificate } from './certificate-files.ts';

let directory: string;
let paths: CertificatePaths;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ringback-tls-'));
  paths = { certPath: join(directory, 'tls.crt'), keyPath: join(directory, 'tls.key') };
  write(LOCALHOST);
});
afterEach(() => rmSync(directory, { recursive: true }));

function write({ cert, key }: { cert: string; key: string }): void {
  writeFileSync(paths.certPath, cert);
  writeFileSync(paths.keyPath, key);
}

describe('reading', () => {
  it('gives the pair and when it ends', () => {
    expect(readCertificate(paths)).toEqual({ ...LOCALHOST, expiresAt: Date.UTC(2120, 0, 1) });
  });

  it('says which file is wrong and how', () => {
    write({ ...LOCALHOST, key: OTHER_LOCALHOST.key });
    expect(() => readCertificate(paths)).toThrow(/tls\.key is not that of the first certificate/);
    write({ ...LOCALHOST, key: 'no key' });
    expect(() => readCertificate(paths)).toThrow(/tls\.key holds no PEM key/);
    write({ ...LOCALHOST, cert: '' });
    expect(() => readCertificate(paths)).toThrow(/tls\.crt holds no PEM certificate/);
    rmSync(paths.certPath);
    expect(() => readCertificate(paths)).toThrow(/tls\.crt cannot be read: ENOENT/);
  });
});

describe('watching', () => {
  it('tells of a new pair once, and of one that cannot be served', async () => {
    const [changed, broken] = [vi.fn<() => void>(), vi.fn<(error: Error) => void>()];
    const stop = watchCertificate(paths, { changed, broken });
    try {
      write(OTHER_LOCALHOST);
      await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), { timeout: 8_000 });
      expect(changed).toHaveBeenCalledWith({ ...OTHER_LOCALHOST, expiresAt: Date.UTC(2120, 0, 1) });
      writeFileSync(paths.keyPath, LOCALHOST.key);
      await vi.waitFor(() => expect(broken).toHaveBeenCalled(), { timeout: 8_000 });
      expect(changed).toHaveBeenCalledTimes(1);
    } finally {
      stop();
    }
  });

  it('follows a symbolic link that is swapped, as Kubernetes mounts secrets', async () => {
    const other = mkdtempSync(join(directory, 'other-'));
    writeFileSync(join(other, 'tls.crt'), OTHER_LOCALHOST.cert);
    const linked = { ...paths, certPath: join(directory, 'linked.crt') };
    symlinkSync(paths.certPath, linked.certPath);
    const broken = vi.fn<(error: Error) => void>();
    const stop = watchCertificate(linked, { changed: () => undefined, broken });
    try {
      symlinkSync(join(other, 'tls.crt'), join(directory, 'next'));
      renameSync(join(directory, 'next'), linked.certPath);
      await vi.waitFor(() => expect(broken).toHaveBeenCalled(), { timeout: 8_000 });
    } finally {
      stop();
    }
  });
});
