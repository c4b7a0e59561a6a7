/** `@ringback/client/sign`: makes the requests that a provider would send, to test a receiver with. */
export { sign } from './verify/sign/sign.ts';
export type { SignedRequest, SignInput, SigningFault } from './verify/sign/sign-input.ts';
