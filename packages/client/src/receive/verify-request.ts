import { createPreparedVerifier } from '../verify/prepared-verifier.ts';
import type { VerifyResult } from '../verify/prepared-verifier.ts';
import type { ProviderModule } from '../verify/prepare-provider.ts';
import { prepareProvider } from '../verify/prepare-provider.ts';
import type { WebhookRequest } from '../verify/webhook-request.ts';
import type { ReceiverCredentials } from './credentials.ts';
import { plainCredentials } from './credentials.ts';
import { readWebBody } from './incoming.ts';

/** How to verify one request. */
export interface OnceOptions {
  /** Default: now. */
  readonly now?: Date;
  /** For Web-standard requests; larger bodies are an error. Default: 10 MiB. */
  readonly maxBodyBytes?: number;
}

const DEFAULT_MAX_BODY_BYTES = 10 * 1024 * 1024;

/** Verifies one request: a Web-standard one, whose body stays readable for the caller, or its parts. */
export async function verifyWith(
  module: ProviderModule,
  request: Request | WebhookRequest,
  options: ReceiverCredentials & OnceOptions,
): Promise<VerifyResult> {
  const credentials = plainCredentials(options);
  const { fetch, now, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
  const verifier = createPreparedVerifier(prepareProvider(module, credentials), {
    ...credentials,
    ...(fetch === undefined ? {} : { fetch }),
  });
  return verifier.verify(await plainRequest(request, maxBodyBytes), now);
}

async function plainRequest(
  request: Request | WebhookRequest,
  maxBodyBytes: number,
): Promise<WebhookRequest> {
  if (!('arrayBuffer' in request)) return request;
  const { method, url, headers } = request;
  // Checked first: to clone a request that was read is a TypeError that says nothing of the fix.
  const readable = request.bodyUsed ? request : request.clone();
  return { method, url, headers, body: await readWebBody(readable, maxBodyBytes) };
}
