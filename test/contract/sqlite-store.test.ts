import { join } from 'node:path';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { directoryHarness } from '../../src/testing/store-harness.ts';

const harness = directoryHarness((directory) => openSqliteStore({ path: join(directory, 'ringback.db') }));

describeStoreContract('The embedded store', harness);
