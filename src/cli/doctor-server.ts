import { createServer } from 'node:net';
import { readVersion } from '../app/version.ts';
import { ApiClient, ProblemFailure } from './api-client.ts';
import type { Connection, Server } from './connection.ts';
import { clockFinding } from './doctor-machine.ts';
import { fail, type Finding, ok, warn } from './doctor-finding.ts';
import { parseJson, textOf } from './json-value.ts';
import { printable } from './output.ts';

export type Probe =
  | {
      readonly kind: 'ringback';
      readonly ready: boolean;
      readonly detail: string;
      readonly aheadMs: number | null;
    }
  | { readonly kind: 'other'; readonly detail: string }
  | { readonly kind: 'none'; readonly detail: string };

const PROBE_LIMIT_MS = 3_000;
/** `Date` has whole seconds, and the answer takes time. */
const DATE_TOLERANCE_MS = 5_000;

/** Who answers at a URL, and how well it is. */
export async function probe(url: string): Promise<Probe> {
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    const response = await fetch(`${url}/readyz`, { signal, redirect: 'manual' });
    const date = Date.parse(response.headers.get('date') ?? '');
    const parsed = parseJson(await response.text());
    const answer = 'value' in parsed ? parsed.value : null;
    const aheadMs = Number.isNaN(date) ? null : date - Date.now();
    if (textOf(answer, 'status') === 'ready') {
      return { kind: 'ringback', ready: true, detail: textOf(answer, 'version') ?? 'unknown', aheadMs };
    }
    const code = textOf(answer, 'code');
    if (code !== null) {
      return {
        kind: 'ringback',
        ready: false,
        detail: `${code}: ${textOf(answer, 'detail') ?? ''}`,
        aheadMs,
      };
    }
    return { kind: 'other', detail: `status ${response.status}` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    return code === 'ECONNREFUSED' ? { kind: 'none', detail: code } : { kind: 'other', detail: code };
  }
}

export function checkServer(found: Probe, { url, urlOrigin }: Server): Finding[] {
  if (found.kind === 'none') {
    // Named on purpose, it should run; otherwise this may be the look before the first start.
    if (urlOrigin === 'settings') return [ok('server', `none runs at ${url}`)];
    return [
      fail('server', `none answers at ${url}, which ${urlOrigin} names`, 'start it, or correct the URL'),
    ];
  }
  if (found.kind === 'other') {
    const fix = 'stop what listens there, or choose another port with RINGBACK_PORT';
    return [fail('server', `what answers at ${url} is not Ringback (${printable(found.detail)})`, fix)];
  }
  if (!found.ready) {
    const fix = 'look at its log; most often the disk is full or the store cannot be reached';
    return [fail('server', `${url} runs but is not ready: ${printable(found.detail)}`, fix)];
  }
  const findings = [versionFinding(url, found.detail)];
  if (found.aheadMs !== null) findings.push(clockFinding(found.aheadMs, 'the server', DATE_TOLERANCE_MS));
  return findings;
}

function versionFinding(url: string, version: string): Finding {
  const own = readVersion();
  if (version === own) return ok('server', `${url} is ready, version ${version}`);
  const detail = `${url} is ready, version ${printable(version)}; this command line is ${own}`;
  return warn('server', detail, 'use the same version of both');
}

/** Whether the server takes the key that commands would send. */
export async function checkKey(connection: Connection): Promise<Finding> {
  if (connection.key === null) {
    const fix = 'set RINGBACK_API_KEY, or name a file with --key-file';
    return warn('API key', `none was found; looked at ${connection.keyOrigin}`, fix);
  }
  try {
    await new ApiClient(connection).call('GET', '/v1/sources', { query: { limit: '1' } });
    return ok('API key', `the server accepts the one from ${connection.keyOrigin}`);
  } catch (error) {
    if (error instanceof ProblemFailure && error.status === 403) {
      return ok('API key', `the server knows the one from ${connection.keyOrigin}; it may not read`);
    }
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return fail('API key', `the one from ${connection.keyOrigin}: ${why}`, 'use a key of this server');
  }
}

/** Whether a gateway could listen; when one of ours does, that is as good. */
export async function checkPort(host: string, port: number, found: Probe): Promise<Finding> {
  const place = `${host}:${port}`;
  if (port === 0) return ok('port', 'any free one is taken');
  const code = await listenError(host, port);
  if (code === null) return ok('port', `${place} is free`);
  if (code === 'EADDRINUSE') {
    if (found.kind === 'ringback') return ok('port', `${place} is taken by the gateway that runs`);
    return fail(
      'port',
      `${place} is taken by another program`,
      'stop it, or choose another with RINGBACK_PORT',
    );
  }
  if (code === 'EACCES') {
    const fix = 'choose a port from 1024 up with RINGBACK_PORT, and put a proxy in front';
    return fail('port', `this user may not listen on ${place}`, fix);
  }
  const fix = 'choose an address of this machine with RINGBACK_HOST, or 0.0.0.0 for all';
  return fail('port', `${place} cannot be listened on (${code})`, fix);
}

function listenError(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
