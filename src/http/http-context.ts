import type { GatewayAccess } from '../api/gateway-access.ts';
import type { OperationLimits } from '../api/operation.ts';
import { Problem } from '../domain/problem.ts';
import type { Principal } from '../domain/principal.ts';
import type { Logger } from '../ports/logger.ts';
import type { ClientAddresses } from './client-address.ts';
import type { FailedAuthentication } from './failed-authentication.ts';
import type { BodyBudget } from './read-body.ts';

/** What the HTTP edge needs from the rest, put together in `app`. */
export interface HttpContext {
  readonly gateway: GatewayAccess;
  readonly ingest: GatewayAccess['ingest'];
  readonly addresses: ClientAddresses;
  readonly budget: BodyBudget;
  readonly limits: OperationLimits;
  readonly log: Logger;
  readonly version: string;
  /** Base of the URLs handed out, without a slash at the end; known once the port is. */
  publicUrl(): string;
  /** The principal of a bearer token, `null` when it is not accepted. */
  authenticate(token: string): Principal | null;
  readonly failedAuthentication: FailedAuthentication;
  /** Resolves when requests can be served; rejects with why not. */
  ready(): Promise<void>;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** The error as a problem: what is not one is a bug, logged here and told without its details. */
  asProblem(error: unknown, requestId: string): Problem;
}

/** See `HttpContext.asProblem`. */
export function problemOf(log: Logger, error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error;
  log.error('request.failed', { request_id: requestId }, error);
  return new Problem('internal_error', 'this is a bug in the gateway; its log has the details');
}
