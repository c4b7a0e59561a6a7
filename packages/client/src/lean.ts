/**
 * `@ringback/client/lean`: the same for senders whose modules you import, such as `github` of
 * `@ringback/client/providers/github`. A bundler then leaves out all that your senders do not need.
 */
export { receive, verify } from './receive/receive-from.ts';
export type { ImportedSource } from './receive/receive-from.ts';
export { ringback, ringbackEd25519 } from './receive/ringback-provider.ts';
export { BodyUnavailable } from './receive/incoming.ts';
export { memoryStore } from './receive/memory-store.ts';
export { VerifierSettingsError } from './verify/reasons.ts';
export type * from './contract.ts';
