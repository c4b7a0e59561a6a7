import type { Claim, IdempotencyStore } from '../receive/idempotency.ts';

/**
 * Sends one command. Of node-redis: `(command) => client.sendCommand(command)`; of ioredis:
 * `([name, ...rest]) => client.call(name, ...rest)`.
 */
export type RedisCommand = (command: [name: string, ...rest: string[]]) => Promise<unknown>;

// A key holds the token of whoever is at the event, or `done`; it vanishes when its time is over.
// Scripts, since only they compare and set in one step.
const CLAIM = `
  local held = redis.call('GET', KEYS[1])
  if held == 'done' then return -1 end
  if held then return math.max(1, redis.call('PTTL', KEYS[1])) end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 0
`;
const EXTEND = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;
const COMPLETE = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
  return 1
`;
const RELEASE = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 0
`;

/**
 * Remembers events in Redis or Valkey, for any number of processes. A Redis that evicts keys or
 * forgets them at a restart makes repeated events run again.
 *
 * @param prefix in front of each key.
 */
export function redisStore(
  send: RedisCommand,
  { prefix = 'ringback:received:' }: { readonly prefix?: string } = {},
): IdempotencyStore {
  const run = async (script: string, key: string, ...values: (string | number)[]): Promise<number> =>
    Number(await send(['EVAL', script, '1', prefix + key, ...values.map(String)]));

  const claim = async (key: string, leaseMs: number): Promise<Claim> => {
    const token = crypto.randomUUID();
    const answer = await run(CLAIM, key, token, leaseMs);
    if (answer === 0) return { state: 'claimed', token };
    return answer < 0 ? { state: 'done' } : { state: 'running', retryAfterMs: answer };
  };
  return {
    claim,
    extend: async (key, token, leaseMs) => (await run(EXTEND, key, token, leaseMs)) === 1,
    complete: async (key, token, keepMs) => (await run(COMPLETE, key, token, keepMs)) === 1,
    release: async (key, token) => {
      await run(RELEASE, key, token);
    },
  };
}
