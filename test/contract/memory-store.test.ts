import { createMemoryStore } from '../../src/stores/memory/memory-store.ts';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { describeStoreModel } from '../../src/testing/store-model-contract.ts';
import { placelessHarness } from '../../src/testing/store-harness.ts';

const harness = placelessHarness(async () => createMemoryStore());

describeStoreContract('The memory store', harness);
describeStoreModel('The memory store', harness);
