import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { describe, it } from 'vitest';
import { redisStore } from '../../packages/client/src/stores/redis.ts';
import { describeIdempotencyStore } from '../contract/idempotency-contract.ts';

const path = process.env['RINGBACK_TEST_REDIS_SOCKET'];

if (path === undefined) {
  describe('The Redis store of handled events', () => {
    it.skip('keeps the contract (skipped: node scripts/services.ts run -- npx vitest run test/services)');
  });
} else {
  const open: (() => void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of open.splice(0)) end();
  };

  describeIdempotencyStore('The Redis store of handled events, with node-redis', {
    open: async () => {
      const client = createClient({ socket: { path, tls: false } });
      await client.connect();
      open.push(() => client.destroy());
      return redisStore((command) => client.sendCommand(command));
    },
    close,
  });

  describeIdempotencyStore('The Redis store of handled events, with ioredis', {
    open: async () => {
      const client = new Redis(path);
      open.push(() => client.disconnect());
      // A prefix of its own: the events of the other suite are in the same database.
      return redisStore(([name, ...rest]) => client.call(name, ...rest), { prefix: 'ioredis:' });
    },
    close,
  });
}
