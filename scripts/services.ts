/**
 * Real services for tests that need more than `npm test` brings:
 *
 *   node scripts/services.ts run -- npx vitest run test/services     start, run the command, stop
 *   node scripts/services.ts start                                   start and leave running; prints the URL
 *   node scripts/services.ts stop                                    stop what `start` started
 *
 * The command finds the URL of PostgreSQL in RINGBACK_TEST_POSTGRES_URL, and with `run` the socket of Redis
 * in RINGBACK_TEST_REDIS_SOCKET where the machine has one.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePostgres, removeLeftRunning, systemBinaries } from './services/postgres-server.ts';
import { hasRedis, makeRedis } from './services/redis-server.ts';

const LEFT_RUNNING = join(tmpdir(), 'ringback-services.json');

const [command, ...rest] = process.argv.slice(2);
if (command === 'run') process.exitCode = await runWith(rest[0] === '--' ? rest.slice(1) : rest);
else if (command === 'start') await start();
else if (command === 'stop') stop();
else {
  console.error('usage: node scripts/services.ts start|stop|run -- COMMAND');
  process.exitCode = 2;
}

async function runWith(words: readonly string[]): Promise<number> {
  const [program, ...args] = words;
  if (program === undefined) throw new Error('name the command to run after --');
  installPostgres();
  const server = await makePostgres('system');
  const redis = hasRedis() ? await makeRedis() : undefined;
  try {
    const child = spawn(program, args, {
      stdio: 'inherit',
      env: {
        ...process.env,
        RINGBACK_TEST_POSTGRES_URL: server.url(),
        ...(redis === undefined ? {} : { RINGBACK_TEST_REDIS_SOCKET: redis.socket }),
      },
    });
    const [code]: unknown[] = await once(child, 'exit');
    return typeof code === 'number' ? code : 1;
  } finally {
    await redis?.remove();
    await server.remove();
  }
}

async function start(): Promise<void> {
  if (existsSync(LEFT_RUNNING)) throw new Error('services run already: node scripts/services.ts stop');
  installPostgres();
  const server = await makePostgres('system');
  writeFileSync(LEFT_RUNNING, JSON.stringify({ directory: server.directory }), { mode: 0o600 });
  console.log(`RINGBACK_TEST_POSTGRES_URL=${server.url()}`);
}

function stop(): void {
  if (!existsSync(LEFT_RUNNING)) return;
  const { directory } = JSON.parse(readFileSync(LEFT_RUNNING, 'utf8')) as { directory: string };
  removeLeftRunning(directory);
  rmSync(LEFT_RUNNING);
}

function installPostgres(): void {
  try {
    systemBinaries();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    execFileSync('apt-get', ['install', '-y', '-qq', 'postgresql'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}
