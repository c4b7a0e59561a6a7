import { afterAll, beforeAll, describe } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import { type GatewayProcess, startGatewayProcess } from '../e2e/gateway-process.ts';
import { describeEventTypesJourney } from '../support/event-types-journey.ts';
import { makeOwnPostgres, newSchema } from './postgres-harness.ts';

let server: PostgresServer;
let gateway: GatewayProcess;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  server = await makeOwnPostgres();
  env = {
    RINGBACK_API_KEY: 'one-key-for-the-test-of-event-types',
    RINGBACK_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    RINGBACK_STORE_URL: `${server.url()}?schema=${newSchema()}`,
  };
  gateway = await startGatewayProcess({ env });
});

afterAll(async () => {
  await gateway.stop();
  await server.remove();
});

describe('event types on PostgreSQL', () => {
  describeEventTypesJourney({
    current: () => gateway,
    restart: async () => {
      await gateway.kill();
      gateway = await startGatewayProcess({ env });
    },
  });
});
