import { adminKeyPath, readKeyFile } from '../app/key-files.ts';
import type { LoadedConfig } from '../config/load.ts';
import { loadSettings, settingText } from './load-settings.ts';
import { failure, usageFailure } from './output.ts';

/** What a command was told about the server it talks to. */
export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly dataDir?: string | undefined;
}

export interface Connection {
  /** Without a slash at the end. */
  readonly url: string;
  /** Where the URL came from, for messages. */
  readonly urlOrigin: string;
  readonly key: string | null;
  /** Where the key came from, or every place where none was found. */
  readonly keyOrigin: string;
}

/** Hosts that are this machine. */
export const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost']);

/**
 * The server and the key, from flags, then the environment, then the settings that a server started
 * here would have. Throws a `CliFailure` when what was given cannot be used; a missing key is no failure
 * yet, since "no server runs" is the better message.
 */
export function findConnection(flags: ConnectionFlags): Connection {
  const loaded = loadSettings('dev', flags.dataDir === undefined ? {} : { dataDir: flags.dataDir });
  return connectionTo(findServer(flags.url, loaded), flags.keyFile, loaded);
}

export type Server = Pick<Connection, 'url' | 'urlOrigin'>;

export function findServer(flag: string | undefined, loaded: LoadedConfig): Server {
  const fromEnv = process.env['RINGBACK_URL'] ?? '';
  if (flag !== undefined) return { url: cleanUrl(flag, '--url'), urlOrigin: '--url' };
  if (fromEnv !== '') return { url: cleanUrl(fromEnv, 'RINGBACK_URL'), urlOrigin: 'RINGBACK_URL' };
  const url = localUrl(settingText(loaded, 'host'), settingText(loaded, 'port'));
  return { url, urlOrigin: 'settings' };
}

/** The server with the key that is meant for it. Throws a `CliFailure` when the key file cannot be used. */
export function connectionTo(server: Server, keyFile: string | undefined, loaded: LoadedConfig): Connection {
  // The key that a local server made is not for whoever answers elsewhere.
  const isLocal = server.urlOrigin === 'settings' || LOOPBACK.has(new URL(server.url).hostname);
  const dataDir = settingText(loaded, 'dataDir');
  const path = isLocal && dataDir !== null ? adminKeyPath(dataDir) : null;
  return { ...server, ...findKey(keyFile, settingText(loaded, 'apiKey'), path) };
}

function findKey(
  keyFile: string | undefined,
  configured: string | null,
  path: string | null,
): Pick<Connection, 'key' | 'keyOrigin'> {
  if (keyFile !== undefined) {
    const key = readKey(keyFile);
    if (key === null) throw usageFailure(`there is no key in ${keyFile} (--key-file)`);
    return { key, keyOrigin: `${keyFile} (--key-file)` };
  }
  if (configured !== null) return { key: configured, keyOrigin: 'RINGBACK_API_KEY' };
  const key = path === null ? null : readKey(path);
  if (key !== null) return { key, keyOrigin: path ?? '' };
  return { key, keyOrigin: `--key-file, RINGBACK_API_KEY${path === null ? '' : `, ${path}`}` };
}

function readKey(path: string): string | null {
  const read = readKeyFile(path);
  if (!read.ok) throw failure(read.problem, [read.fix]);
  // It travels in a header; a line break or a letter beyond ASCII would be refused there without a word why.
  if (read.key !== null && !/^[\x21-\x7e]+$/.test(read.key)) {
    throw failure(`${path} holds no API key: it must be one word of ASCII characters`);
  }
  return read.key;
}

function cleanUrl(text: string, origin: string): string {
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw usageFailure(`${origin} must be an http or https URL such as http://127.0.0.1:8420, not "${text}"`);
  }
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '');
}

/** Where a server with these settings can be reached from this machine. */
function localUrl(host: string | null, port: string | null): string {
  const anyHost = host === null || host === '0.0.0.0' || host === '::';
  const name = anyHost ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port === null || port === '0' ? '8420' : port}`;
}
