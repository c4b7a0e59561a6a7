import { createMemoryStore } from '../../src/stores/memory/memory-store.ts';
import { describeStoreContract } from '../../src/testing/store-contract.ts';
import { placelessHarness } from '../../src/testing/store-harness.ts';

const harness = placelessHarness(async () => createMemoryStore());

describeStoreContract('The memory store', harness);
