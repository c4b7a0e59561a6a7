/**
 * The gateway as the crash tests run it: composed as ever, with crash points around its store and sender,
 * a clock that can jump, and leases that end soon. Told what to do by the process that forked it.
 */
import { enableCompileCache } from 'node:module';
import { loadConfig } from '../../src/config/load.ts';
import { IdMaker } from '../../src/domain/ids.ts';
import type { Services } from '../../src/core/services.ts';
import type { Sender } from '../../src/ports/sender.ts';
import { type CrashPoint, CrashPoints } from '../../src/testing/crash-points.ts';
import { plantBug } from './planted-bugs.ts';

/** What the supervisor asks; each is answered with `{ done }`. */
export type Order =
  | { readonly arm: CrashPoint; readonly onPass: number }
  | { readonly shiftClockMs: number }
  | { readonly prune: true };

export type Told =
  { readonly started: string } | { readonly done: number | null } | { readonly failed: string };

enableCompileCache();
// A file that may not grow (the harm `full_disk` without root) is an error of the write, not the end.
process.on('SIGXFSZ', () => {});
process.on('disconnect', () => process.exit(0));

const node = process.env['CHAOS_NODE'] ?? '0';
const isCompiled = process.env['CHAOS_COMPILED'] === '1';
const { startGateway } = (await import(
  isCompiled ? '../../dist/src/app/start-gateway.js' : '../../src/app/start-gateway.ts'
)) as typeof import('../../src/app/start-gateway.ts');

let shiftMs = 0;
let services: Services | null = null;
const points = new CrashPoints(() => process.kill(process.pid, 'SIGKILL'));

function adapt(composed: Services): Services {
  const clock = {
    now: () => composed.clock.now() + shiftMs,
    after: (delayMs: number, wake: () => void) => composed.clock.after(delayMs, wake),
  };
  const planted = plantBug(process.env['CHAOS_BUG'] ?? '', composed.store, () => clock.now());
  services = {
    ...composed,
    clock,
    ids: new IdMaker(
      () => clock.now(),
      (count) => composed.random.bytes(count),
    ),
    store: points.store(planted),
    sender: points.sender(marked(composed.sender)),
  };
  return services;
}

/** Receivers see which node a request is from: one that was stopped for a while may come late. */
function marked(inner: Sender): Sender {
  return {
    send: (request) => inner.send({ ...request, headers: [...request.headers, 'chaos-node', node] }),
    close: () => inner.close(),
  };
}

async function carryOut(order: Order): Promise<number | null> {
  if ('arm' in order) points.arm(order.arm, order.onPass);
  else if ('shiftClockMs' in order) shiftMs += order.shiftClockMs;
  else if (services !== null) {
    let pruned = 0;
    for (;;) {
      const gone = await services.store.upkeep.pruneEvents(services.clock.now(), 200);
      pruned += gone;
      if (gone === 0) return pruned;
    }
  }
  return null;
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

const loaded = loadConfig({
  profile: 'dev',
  flags: {},
  env: process.env,
  cwd: process.cwd(),
  readFile: () => null,
});
if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
const starting = startGateway(loaded.config, 'dev', {
  services: adapt,
  lease: { leaseSlackMs: 600, sweepEveryMs: 500 },
});
process.on('SIGTERM', () => {
  starting
    .then((gateway) => gateway.stop())
    .then(
      () => process.exit(0),
      () => process.exit(1),
    );
});
process.on('message', (order: Order) => {
  carryOut(order).then(
    (done) => tell({ done }),
    (error: unknown) => tell({ failed: String(error) }),
  );
});
starting.then(
  ({ url }) => tell({ started: url }),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
