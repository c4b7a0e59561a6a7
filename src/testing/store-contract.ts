import { afterEach, describe } from 'vitest';
import { describeAppendContract } from './append-contract.ts';
import { describeClaimContract } from './claim-contract.ts';
import { describeDedupeContract } from './dedupe-contract.ts';
import { describeDeliveryQueriesContract } from './delivery-queries-contract.ts';
import { describeDuplicatesContract } from './duplicates-contract.ts';
import { describeDurabilityContract } from './durability-contract.ts';
import { describeEventQueriesContract } from './event-queries-contract.ts';
import { describeLeaseContract } from './lease-contract.ts';
import { describeOrderContract } from './order-contract.ts';
import { describePendingContract } from './pending-contract.ts';
import { describeReplayQueriesContract } from './replay-queries-contract.ts';
import { describeReplaysContract } from './replays-contract.ts';
import { describeSettingsContract } from './settings-contract.ts';
import { describeSettleContract } from './settle-contract.ts';
import type { StoreHarness } from './store-harness.ts';
import { describeUpkeepContract } from './upkeep-contract.ts';

/**
 * The tests that every `Store` must pass, as vitest suites.
 *
 * Times are numbers that the tests pass in, so nothing waits. Answers of `queries` are expected to show
 * every write that was acknowledged before the question, which a store may take as its own promise only
 * within one process.
 */
export function describeStoreContract(name: string, harness: StoreHarness): void {
  describe(`${name} keeps the contract of a store`, () => {
    afterEach(() => harness.dispose());
    describeAppendContract(harness);
    describeDedupeContract(harness);
    describeClaimContract(harness);
    describeLeaseContract(harness);
    describeSettleContract(harness);
    describePendingContract(harness);
    describeOrderContract(harness);
    describeEventQueriesContract(harness);
    describeDeliveryQueriesContract(harness);
    describeSettingsContract(harness);
    describeReplaysContract(harness);
    describeReplayQueriesContract(harness);
    describeUpkeepContract(harness);
    describeDuplicatesContract(harness);
    describeDurabilityContract(harness);
  });
}
