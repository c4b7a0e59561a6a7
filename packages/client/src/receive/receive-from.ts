import type { ProviderModule } from '../verify/prepare-provider.ts';
import type { VerifyResult } from '../verify/prepared-verifier.ts';
import type { WebhookRequest } from '../verify/webhook-request.ts';
import type { ReceiverCredentials } from './credentials.ts';
import { compileOnce } from './credentials.ts';
import type { EventMap } from './event-types.ts';
import type { Receiver, ReceiverOptions } from './receiver.ts';
import { createReceiver } from './receiver.ts';
import { ringback } from './ringback-provider.ts';
import type { OnceOptions } from './verify-request.ts';
import { verifyWith } from './verify-request.ts';

/** Who sends, as a module, and how it is proven. */
export interface ImportedSource extends ReceiverCredentials {
  /** Such as `github` of `@ringback/client/providers/github`. Default: Ringback itself, with a secret. */
  readonly provider?: ProviderModule;
}

/**
 * `receive` for a sender whose module you import, so that a bundler leaves out the rest of the
 * provider table.
 *
 * @throws VerifierSettingsError when the settings cannot work, such as no secret.
 */
export function receive<Events extends object = EventMap>(
  options: ImportedSource & ReceiverOptions<Events>,
): Receiver {
  return createReceiver(
    compileOnce(() => options.provider ?? ringback, options),
    options,
  );
}

/**
 * `verify` for a sender whose module you import.
 *
 * @throws VerifierSettingsError and BodyUnavailable, as the one by name does.
 */
export async function verify(
  request: Request | WebhookRequest,
  options: ImportedSource & OnceOptions,
): Promise<VerifyResult> {
  return verifyWith(options.provider ?? ringback, request, options);
}
