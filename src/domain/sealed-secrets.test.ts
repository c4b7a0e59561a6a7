import { describe, expect, it } from 'vitest';
import {
  buildDestination,
  buildEventType,
  buildSource,
  buildTypeVersion,
} from '../testing/setting-builders.ts';
import { mapSealedSecrets, sealedSecretsOf } from './sealed-secrets.ts';
import type { Destination, SealedSecret } from './settings.ts';

const secret = (sealed: string): SealedSecret => ({ sealed, createdAt: 1, expiresAt: null });

const destination: Destination = buildDestination({
  secrets: [secret('a'), { ...secret('b'), expiresAt: 5 }],
  auth: {
    kind: 'oauth2',
    tokenUrl: 'https://a.example/token',
    clientId: 'me',
    clientSecret: secret('c'),
    scope: null,
    audience: null,
  },
  tls: { clientCert: 'pem', clientKey: secret('d'), ca: null, fingerprint: 'f', expiresAt: 9 },
});

describe('the secrets of a setting', () => {
  it('are found wherever they lie', () => {
    expect(sealedSecretsOf('destination', destination).map(({ sealed }) => sealed)).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
    expect(sealedSecretsOf('source', buildSource({ secrets: [secret('x')] }))).toEqual([secret('x')]);
  });

  it('are changed, and nothing else is', () => {
    const changed = mapSealedSecrets('destination', destination, (one) => ({
      ...one,
      sealed: `${one.sealed}!`,
    }));
    expect(JSON.stringify(changed)).toBe(
      JSON.stringify(destination).replaceAll(/"sealed":"(.)"/g, '"sealed":"$1!"'),
    );
  });

  it("are not what a user's own JSON looks like", () => {
    const own = { thing: secret('user') };
    expect(sealedSecretsOf('source', buildSource({ secrets: [], config: own, schema: own }))).toEqual([]);
    const type = buildEventType({ versions: [buildTypeVersion({ schema: own, examples: [own] })] });
    expect(sealedSecretsOf('event_type', type)).toEqual([]);
    expect(mapSealedSecrets('event_type', type, () => secret('!'))).toBe(type);
  });
});
