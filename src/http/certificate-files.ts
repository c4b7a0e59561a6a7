import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** What `tls.Server.setSecureContext` takes, and until when the certificate is valid. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly expiresAt: number;
}

export interface CertificatePaths {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface CertificateWatcher {
  /** A pair that can be served, after either file changed. */
  changed(certificate: ServerCertificate): void;
  /** The new files cannot be served; what was served before goes on. */
  broken(error: Error): void;
}

const LOOK_EVERY_MS = 1_000;
/** Certificate and key are written one after the other: the second change of a pair is waited for. */
const SETTLE_MS = 250;

/** The certificate and key, checked to belong together. Throws with the path and the fix. */
export function readCertificate({ certPath, keyPath }: CertificatePaths): ServerCertificate {
  const cert = readPem(certPath, 'certificate');
  const key = readPem(keyPath, 'key');
  const leaf = attempt(() => new X509Certificate(cert), `${certPath} holds no PEM certificate`);
  const privateKey = attempt(() => createPrivateKey(key), `${keyPath} holds no PEM key without a passphrase`);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new Error(`the key in ${keyPath} is not that of the first certificate in ${certPath}`);
  }
  attempt(() => createSecureContext({ cert, key }), `${certPath} and ${keyPath} cannot be served`);
  return { cert, key, expiresAt: Date.parse(leaf.validTo) };
}

/**
 * Tells of every change of the two files until the answered function is called.
 *
 * It looks at them each second instead of asking the system for events: those are lost when a mounted
 * secret is swapped by a symbolic link, as Kubernetes does, and do not exist on network file systems.
 */
export function watchCertificate(paths: CertificatePaths, watcher: CertificateWatcher): () => void {
  let settling: NodeJS.Timeout | null = null;
  const reread = (): void => {
    let certificate;
    try {
      certificate = readCertificate(paths);
    } catch (error) {
      watcher.broken(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    watcher.changed(certificate);
  };
  const onChange = (): void => {
    if (settling !== null) clearTimeout(settling);
    settling = setTimeout(reread, SETTLE_MS);
    settling.unref();
  };
  const stop = lookAt([paths.certPath, paths.keyPath], onChange);
  return () => {
    if (settling !== null) clearTimeout(settling);
    stop();
  };
}

/** Beside what the files are now, which is looked at before this returns: no change falls in between. */
function lookAt(files: readonly string[], onChange: () => void): () => void {
  let known = files.map((file) => (existsSync(file) ? fingerprint(statSync(file)) : 'absent')).join();
  const look = async (): Promise<void> => {
    const seen = await Promise.all(files.map((file) => stat(file).then(fingerprint, () => 'absent')));
    if (seen.join() === known) return;
    known = seen.join();
    onChange();
  };
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function fingerprint({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

function readPem(path: string, what: string): string {
  return attempt(() => readFileSync(path, 'utf8'), `the TLS ${what} ${path} cannot be read`);
}

function attempt<Value>(run: () => Value, message: string): Value {
  try {
    return run();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}: ${why}`, { cause: error });
  }
}
