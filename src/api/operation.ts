import type { z } from 'zod';
import type { Gateway } from '../core/gateway.ts';
import type { Caller } from '../core/settings-changes.ts';
import type { Scope } from '../domain/settings.ts';

/** What an operation may use. */
export interface OperationContext {
  readonly gateway: Gateway;
  readonly caller: Caller;
  readonly requestId: string;
  /** Request headers: name, value, name, value, ... */
  readonly headers: readonly string[];
  /** Base of every URL that is handed out, without a slash at the end. */
  readonly publicUrl: string;
  readonly limits: OperationLimits;
}

/** Bounds that the operator sets. */
export interface OperationLimits {
  readonly maxBodyBytes: number;
  readonly defaultBodyBytes: number;
  readonly dedupeWindowMs: number;
}

/** An operation's input after its schemas have checked it. */
export interface OperationInput<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

/**
 * One thing that can be asked of the gateway. REST, the command line, the OpenAPI description and MCP are
 * made from the list of these.
 */
export interface Operation<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
> {
  /** `resource.verb`, e.g. `sources.create`; the command line says it as `sources create`. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With `{id}` for path parameters, relative to the server's root. */
  readonly path: string;
  readonly scope: Scope;
  /** One line, in the imperative. */
  readonly summary: string;
  readonly description?: string;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly output: Output;
  /** Reads a request whose body is not our JSON; `undefined` = it is, parse it by `body`. */
  readonly raw?: (context: OperationContext, body: Uint8Array) => Promise<z.input<Output>> | undefined;
  /** Media types that `raw` reads, for the description. */
  readonly rawTypes?: readonly string[];
  /** Status of the answer when all went well. */
  readonly status: 200 | 201 | 202 | 204;
  readonly run: (
    context: OperationContext,
    input: OperationInput<z.output<Params>, z.output<Query>, z.output<Body>>,
  ) => Promise<z.input<Output>>;
}

/** Names the types of an operation's parts from its schemas. */
export function operation<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Output extends z.ZodType,
>(definition: Operation<Params, Query, Body, Output>): Operation {
  // The list of operations forgets the exact types; `invoke` parses before it calls, so they hold.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-assertion
  return definition as unknown as Operation;
}
