/**
 * `@ringback/client/verify`: the parts that `receive` is made of, for programs that answer requests
 * in their own way.
 */
export { answers, handshake } from './verify/answers.ts';
export type { Answers } from './verify/answers.ts';
export { findProvider, genericProviders, providers } from './verify/provider-table.ts';
export { VerifierSettingsError } from './verify/reasons.ts';
export { validateScheme } from './verify/validate-scheme.ts';
export { createVerifier, verify } from './verify/verify.ts';
export type * from './contract.ts';
