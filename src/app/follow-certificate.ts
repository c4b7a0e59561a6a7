import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { Config } from '../config/schema.ts';
import { type CertificatePaths, watchCertificate } from '../http/certificate-files.ts';
import type { Logger } from '../ports/logger.ts';

/** Where the certificate lies, `null` when the gateway speaks plain http. */
export function certificatePathsOf({ tlsCert, tlsKey }: Config): CertificatePaths | null {
  return tlsCert === null || tlsKey === null ? null : { certPath: tlsCert, keyPath: tlsKey };
}

/**
 * Lets a server use the certificate that its files hold now; connections that stand keep theirs. Files
 * that cannot be served change nothing: the old certificate goes on, and a warning says why.
 */
export function followCertificate(server: Server, paths: CertificatePaths | null, log: Logger): () => void {
  if (paths === null || !(server instanceof TlsServer)) return () => undefined;
  return watchCertificate(paths, {
    changed: ({ cert, key, expiresAt }) => {
      server.setSecureContext({ cert, key });
      log.info('certificate.reloaded', { expires_at: new Date(expiresAt).toISOString() });
    },
    broken: (error) => log.warn('certificate.refused', { reason: error.message }),
  });
}
