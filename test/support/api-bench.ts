import { CATALOGUE } from '../../src/api/catalogue.ts';
import { invoke, type RawInput } from '../../src/api/invoke.ts';
import type { Operation, OperationContext } from '../../src/api/operation.ts';
import type { Principal } from '../../src/domain/principal.ts';
import type { Scope } from '../../src/domain/settings.ts';
import { type Bench, startedBench } from './gateway-bench.ts';

/** An operation of the catalogue by its name. */
export function operationNamed(name: string): Operation {
  const found = CATALOGUE.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`there is no operation ${name}`);
  return found;
}

export function principal(scopes: readonly Scope[], tenant: string | null = null): Principal {
  return { id: 'key_caller', name: 'caller', scopes, tenant };
}

export const ADMIN = principal(['admin']);

export interface ApiBench {
  readonly bench: Bench;
  readonly context: (caller?: Principal, headers?: readonly string[]) => OperationContext;
  /** Invokes as REST would, and holds the answer against the operation's own output schema. */
  readonly call: (
    name: string,
    input?: Partial<RawInput>,
    caller?: Principal,
    headers?: readonly string[],
  ) => Promise<Answer>;
}

/** What an operation answered, as a caller reads it. */
export type Answer = Readonly<Record<string, unknown>> & { readonly id?: string };

export async function startedApi(): Promise<ApiBench> {
  const bench = await startedBench();
  const context: ApiBench['context'] = (caller = ADMIN, headers = []) => ({
    gateway: bench.gateway,
    caller: { principal: caller, remoteAddress: '192.0.2.7' },
    requestId: bench.requestId(),
    headers,
    publicUrl: 'https://gateway.example',
    limits: { maxBodyBytes: 1 << 20, defaultBodyBytes: 1 << 18, dedupeWindowMs: 86_400_000 },
  });
  return {
    bench,
    context,
    async call(name, input = {}, caller = ADMIN, headers = []) {
      const operation = operationNamed(name);
      const raw: RawInput = { params: {}, query: {}, body: {}, ...input };
      const output = await invoke(operation, context(caller, headers), raw);
      operation.output.parse(output);
      return (JSON.parse(JSON.stringify(output ?? {})) ?? {}) as Answer;
    },
  };
}
