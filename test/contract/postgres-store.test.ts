import { afterAll, beforeAll } from 'vitest';
import { makePostgres, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { describeStoreModel } from '../../src/testing/store-model-contract.ts';
import { schemaHarness } from '../services/postgres-harness.ts';

let server: PostgresServer;
beforeAll(async () => {
  // What a disk keeps is tested in test/services; here nothing is to outlive the machine.
  server = await makePostgres('packaged', { fsync: 'off', full_page_writes: 'off' });
});
afterAll(() => server.remove());

const harness = schemaHarness(() => server.url(), { trust_server: 'true' });

describeStoreContract('The PostgreSQL store', harness);
describeStoreModel('The PostgreSQL store', harness, { runs: 15, maxCommands: 80 });
