import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { signedPush } from './github-push.ts';

const run = promisify(execFile);

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly non2xx: number;
  readonly requests: number;
}

/** Which load generator there is: wrk (Debian's package), else autocannon from npm. */
export async function loadTool(): Promise<'wrk' | 'autocannon'> {
  try {
    await run('wrk', ['--version']);
  } catch (error) {
    // It prints its version and exits with 1; only its absence counts.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'autocannon';
  }
  return 'wrk';
}

/** Signed pushes from a process of its own, each with a delivery id of its own. */
export async function load(
  url: string,
  secret: string,
  seconds: number,
  connections = 64,
): Promise<LoadResult> {
  return (await loadTool()) === 'wrk'
    ? loadByWrk(url, secret, seconds, connections)
    : loadByAutocannon(url, secret, seconds, connections);
}

async function loadByWrk(
  url: string,
  secret: string,
  seconds: number,
  connections: number,
): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-bench-'));
  const script = join(folder, 'push.lua');
  const { body, headers } = signedPush(secret);
  const assigned = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`);
  writeFileSync(
    script,
    `wrk.method = "POST"
wrk.body = [==[${body}]==]
${assigned.join('\n')}
wrk.headers["x-github-delivery"] = "@@"
local count, run, head, tail = 0, "${process.pid}-${Date.now()}-"
-- Put together once: doing so for each request would take the load generator a third of its time.
init = function()
  local text = wrk.format()
  local from, to = string.find(text, "@@", 1, true)
  head, tail = string.sub(text, 1, from - 1), string.sub(text, to + 1)
end
request = function()
  count = count + 1
  return head .. run .. count .. tail
end
done = function(summary, latency)
  io.write(string.format("RESULT %f %f %f %d %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout, summary.requests))
end
`,
  );
  try {
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url];
    const { stdout } = await run('wrk', args, { timeout: (seconds + 30) * 1000 });
    const [perSecond = 0, p50Ms = 0, p99Ms = 0, non2xx = 0, requests = 0] =
      /RESULT (.+)/.exec(stdout)?.[1]?.split(' ').map(Number) ?? [];
    return { perSecond, p50Ms, p99Ms, non2xx, requests };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loadByAutocannon(
  url: string,
  secret: string,
  seconds: number,
  connections: number,
): Promise<LoadResult> {
  const part = new URL('./autocannon-load.ts', import.meta.url).pathname;
  const args = [part, url, secret, String(seconds), String(connections)];
  const { stdout } = await run(process.execPath, args, { timeout: (seconds + 30) * 1000 });
  return JSON.parse(stdout) as LoadResult;
}
