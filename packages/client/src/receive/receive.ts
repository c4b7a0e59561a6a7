import type { ProviderModule } from '../verify/prepare-provider.ts';
import type { VerifyResult } from '../verify/prepared-verifier.ts';
import { findModule } from '../verify/source-preparation.ts';
import type { WebhookRequest } from '../verify/webhook-request.ts';
import type { ReceiverCredentials } from './credentials.ts';
import { compileOnce, plainCredentials } from './credentials.ts';
import type { EventMap } from './event-types.ts';
import type { Receiver, ReceiverOptions } from './receiver.ts';
import { createReceiver } from './receiver.ts';
import { ringback, ringbackEd25519 } from './ringback-provider.ts';
import type { OnceOptions } from './verify-request.ts';
import { verifyWith } from './verify-request.ts';

/** Who sends, by name, and how it is proven. */
export interface NamedSource extends ReceiverCredentials {
  /** An id of the provider table, or `hmac`, `token`, `basic`, `none`. Default: Ringback itself. */
  readonly provider?: string;
  /** A scheme of your own: needed for `hmac`, possible for every provider. */
  readonly verification?: unknown;
}

/**
 * Receives the webhooks of one sender: answers its handshakes, refuses what is not proven, and calls
 * `onEvent` once for each event, as far as the idempotency store can tell.
 *
 * @throws VerifierSettingsError when the settings cannot work, such as no secret.
 */
export function receive<Events extends object = EventMap>(
  options: NamedSource & ReceiverOptions<Events>,
): Receiver {
  return createReceiver(
    compileOnce(() => namedModule(options), options),
    options,
  );
}

/**
 * Verifies one request: a Web-standard one, whose body stays readable for you, or its parts.
 *
 * @throws VerifierSettingsError when the settings cannot work, and BodyUnavailable when the body of a
 *   Web-standard request was read before or is too large; what a request says is never the cause.
 */
export async function verify(
  request: Request | WebhookRequest,
  options: NamedSource & OnceOptions,
): Promise<VerifyResult> {
  return verifyWith(namedModule(options), request, options);
}

/** The module of a source by name. */
function namedModule(source: NamedSource): ProviderModule {
  const { provider, verification, publicKey } = source;
  if (provider === undefined || provider === 'ringback') {
    return publicKey === undefined ? ringback : ringbackEd25519;
  }
  const { config } = plainCredentials({ ...source, secret: undefined });
  return findModule({ provider, verification, ...(config === undefined ? {} : { config }) });
}
