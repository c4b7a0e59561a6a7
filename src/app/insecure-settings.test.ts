import { describe, expect, it } from 'vitest';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { insecureSettings } from './insecure-settings.ts';

function production(env: Readonly<Record<string, string>>): Config {
  const loaded = loadConfig({
    profile: 'production',
    flags: {},
    env: { RINGBACK_API_KEY: 'a-long-enough-random-text', ...env },
    cwd: '/work',
    readFile: () => null,
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

const PROXY = { RINGBACK_PUBLIC_URL: 'https://hooks.example', RINGBACK_TRUSTED_PROXIES: '10.0.0.1' };

describe('plain http beyond loopback', () => {
  it.each([
    {},
    { RINGBACK_PUBLIC_URL: 'https://hooks.example' },
    { RINGBACK_TRUSTED_PROXIES: '10.0.0.1' },
    { ...PROXY, RINGBACK_PUBLIC_URL: 'http://hooks.example' },
    { RINGBACK_HOST: '10.0.0.5' },
  ])('is refused with %o', (env) => {
    expect(insecureSettings(production(env))).toEqual([expect.stringMatching(/^host: .*RINGBACK_TLS_CERT/)]);
  });

  it.each([
    PROXY,
    { RINGBACK_TLS_CERT: 'tls.crt', RINGBACK_TLS_KEY: 'tls.key' },
    { RINGBACK_HOST: '127.0.0.1' },
    { RINGBACK_HOST: '::1' },
    { RINGBACK_HOST: 'localhost' },
  ])('is not what %o means', (env) => {
    expect(insecureSettings(production(env))).toEqual([]);
  });
});
