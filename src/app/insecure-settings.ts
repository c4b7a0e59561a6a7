import { isIP } from 'node:net';
import type { Config } from '../config/schema.ts';

const MIN_KEY_CHARS = 20;

/** What the production profile refuses to start with, each with its fix. */
export function insecureSettings(config: Config): string[] {
  const found: string[] = [];
  if (config.apiKey === null) {
    found.push('api_key: there is no admin key; set RINGBACK_API_KEY to a long random text');
  } else if (config.apiKey.length < MIN_KEY_CHARS) {
    found.push(
      `api_key: shorter than ${MIN_KEY_CHARS} characters; set RINGBACK_API_KEY to a long random text`,
    );
  }
  if (config.storeUrl === 'memory:') {
    found.push('store_url: memory: loses every event at exit; set RINGBACK_STORE_URL to sqlite:PATH');
  }
  if (!isLoopback(config.host) && config.tlsCert === null && !isBehindTlsProxy(config)) {
    found.push(
      'host: events and keys would travel as plain text; set RINGBACK_TLS_CERT and RINGBACK_TLS_KEY, or put ' +
        'a TLS proxy in front and set RINGBACK_PUBLIC_URL to its https:// address and ' +
        'RINGBACK_TRUSTED_PROXIES to its network, or listen on loopback (RINGBACK_HOST=127.0.0.1)',
    );
  }
  if (config.allowPrivate.some((block) => block.endsWith('/0'))) {
    found.push('allow_private: a /0 block opens every private network to destinations; name the networks');
  }
  return found;
}

/** Both are asked for: an https address alone says nothing of who may speak plain http to this port. */
function isBehindTlsProxy({ publicUrl, trustedProxies }: Config): boolean {
  return (publicUrl ?? '').startsWith('https://') && trustedProxies.length > 0;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
