import { describe, it } from 'vitest';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { describeStoreModel } from '../../src/testing/store-model-contract.ts';
import { REAL_SERVER_URL, schemaHarness } from './postgres-harness.ts';

const url = REAL_SERVER_URL;
if (url === undefined) {
  describe('The PostgreSQL store on a real server', () => {
    it.skip('keeps the contract (skipped: node scripts/services.ts run -- npx vitest run test/services)');
  });
} else {
  const harness = schemaHarness(() => url);
  describeStoreContract('The PostgreSQL store on a real server', harness);
  describeStoreModel('The PostgreSQL store on a real server', harness, { runs: 25, maxCommands: 80 });
}
