/** The types that the entries share. */
export type { ReceiverCredentials } from './receive/credentials.ts';
export type { CloudEventAttributes, StandardEnvelope } from './receive/envelope.ts';
export type { EventMap, RingbackEvents } from './receive/event-types.ts';
export type { Claim, IdempotencyOptions, IdempotencyStore } from './receive/idempotency.ts';
export type { BodyTrouble, IncomingRequest } from './receive/incoming.ts';
export type { ReceivedEvent } from './receive/received-event.ts';
export type { AnswerCode } from './receive/answering.ts';
export type { HandlerContext, Receiver, ReceiverOptions, ReceiverProblem } from './receive/receiver.ts';
export type { OnceOptions } from './receive/verify-request.ts';
export type { Answer } from './verify/handshake-rule.ts';
export type { Verifier, VerifyResult, WebhookEvent } from './verify/prepared-verifier.ts';
export type { Credentials } from './verify/prepared-scheme.ts';
export type { ProviderModule } from './verify/prepare-provider.ts';
export type { Reason, RefusalCode } from './verify/reasons.ts';
export type { WebhookRequest } from './verify/webhook-request.ts';
export type { VerifyOptions } from './verify/verify.ts';
