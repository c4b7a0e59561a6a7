import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import type { ExaminedIdentity, TlsIdentities, TlsIdentity } from '../ports/sender.ts';

/** What can be said of client certificates before they are used. */
export const tlsIdentities: TlsIdentities = {
  examine: (identity) => {
    const found = examineCertificate(identity);
    if (!found.ok) return found;
    return identity.ca !== null && !isAuthority(identity.ca)
      ? { ok: false, field: 'ca', message: 'is not a PEM certificate' }
      : found;
  },
};

function examineCertificate({ cert, key }: TlsIdentity): ExaminedIdentity {
  if (cert === null || key === null) return { ok: true, fingerprint: null, expiresAt: null };
  const leaf = quietly(() => new X509Certificate(cert));
  if (leaf === null) return { ok: false, field: 'client_cert', message: 'is not a PEM certificate' };
  const privateKey = quietly(() => createPrivateKey(key));
  if (privateKey === null) {
    return { ok: false, field: 'client_key', message: 'is not a PEM private key without a passphrase' };
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    return { ok: false, field: 'client_key', message: 'is not the key of the first certificate' };
  }
  if (quietly(() => createSecureContext({ cert, key })) === null) {
    return { ok: false, field: 'client_cert', message: 'cannot be used: the chain or the key is too weak' };
  }
  return { ok: true, fingerprint: leaf.fingerprint256, expiresAt: Date.parse(leaf.validTo) };
}

function isAuthority(ca: string): boolean {
  return (
    quietly(() => new X509Certificate(ca)) !== null && quietly(() => createSecureContext({ ca })) !== null
  );
}

/** OpenSSL's messages say nothing that a person could act on. */
function quietly<Value>(run: () => Value): Value | null {
  try {
    return run();
  } catch {
    return null;
  }
}
