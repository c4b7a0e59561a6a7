/**
 * `@ringback/client`: receive and verify webhooks, of Ringback or of any provider by its name. Needs
 * nothing but Web standards. Where size matters, see `lean.ts`.
 */
export { receive, verify } from './receive/receive.ts';
export type { NamedSource } from './receive/receive.ts';
export { createVerifier } from './verify/verify.ts';
export { BodyUnavailable } from './receive/incoming.ts';
export { memoryStore } from './receive/memory-store.ts';
export { VerifierSettingsError } from './verify/reasons.ts';
export type * from './contract.ts';
