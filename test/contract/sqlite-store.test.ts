import { join } from 'node:path';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { describeStoreModel } from '../../src/testing/store-model-contract.ts';
import { directoryHarness } from '../../src/testing/store-harness.ts';

const harness = directoryHarness((directory) => openSqliteStore({ path: join(directory, 'ringback.db') }));

describeStoreContract('The embedded store', harness);
// Opening a database takes a tenth of a second, and about every twentieth command opens one.
describeStoreModel('The embedded store', harness, { runs: 25, maxCommands: 80 });
