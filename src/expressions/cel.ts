import { isCelError, plan, type CelEnv, type CelValue } from '@bufbuild/cel';
import type { CompiledExpression, Evaluated, ExpressionInput, Expressions } from '../ports/expressions.ts';
import { checkExpression, type CheckedExpression } from './cel-check.ts';
import { meteredEnvironment } from './cel-functions.ts';
import { BudgetExceeded, Meter } from './cel-meter.ts';
import { ExpressionMistake, locate, parseExpression } from './cel-syntax.ts';
import { headersToCel, toCel, toPlain } from './cel-values.ts';

export interface CelOptions {
  /** Steps that one evaluation may take before it is stopped; see `Meter`. */
  readonly budget?: number;
  /** The members of `event`, when they are fixed: any other is then a mistake at compile time. */
  readonly eventFields?: readonly string[];
}

// About a tenth of a second, for which all other requests wait; a loop over 20,000 elements fits well.
const DEFAULT_BUDGET = 500_000;

/**
 * CEL (cel-spec 0.24) by `@bufbuild/cel`, with what webhooks need:
 *
 * - `event`, `headers` (names without case) and `data` (the parsed body; read only if used);
 * - numbers of a body compare and calculate with ints and doubles alike;
 * - `matches` is RE2: linear in the text for every pattern. Patterns are literals, compiled once;
 * - unknown names, unknown functions and bad patterns are mistakes at compile time;
 * - source length, nesting, steps and the length of made texts are limited.
 */
export function createCelExpressions(options: CelOptions = {}): Expressions {
  const meter = new Meter(options.budget ?? DEFAULT_BUDGET);
  const env = meteredEnvironment(meter);
  return {
    compile(source) {
      try {
        const checked = checkExpression(source, parseExpression(source), env, options.eventFields);
        return { ok: true, expression: new CelExpression(source, checked, env, meter) };
      } catch (error) {
        if (error instanceof ExpressionMistake) {
          return { ok: false, error: locate(source, error.message, error.offset) };
        }
        return { ok: false, error: locate(source, messageOf(error), 0) };
      }
    },
  };
}

class CelExpression implements CompiledExpression {
  readonly source: string;
  readonly #checked: CheckedExpression;
  readonly #evaluatePlan: ReturnType<typeof plan>;
  readonly #meter: Meter;

  constructor(source: string, checked: CheckedExpression, env: CelEnv, meter: Meter) {
    this.source = source;
    this.#checked = checked;
    this.#evaluatePlan = plan(env, checked.expr);
    this.#meter = meter;
  }

  evaluate(input: ExpressionInput): Evaluated {
    try {
      const variables = this.#variablesOf(input);
      this.#meter.start();
      const result = this.#evaluatePlan(variables);
      if (!isCelError(result)) return { ok: true, value: toPlain(result) };
      // A stopped loop inside `||` may come out as an ordinary error, which would mislead.
      if (this.#meter.exceeded) return { ok: false, error: new BudgetExceeded().message };
      return { ok: false, error: this.#explain(result.message, result.exprId) };
    } catch (error) {
      return { ok: false, error: messageOf(error) };
    }
  }

  #variablesOf(input: ExpressionInput): Record<string, CelValue> {
    const { uses } = this.#checked;
    const variables: Record<string, CelValue> = {};
    if (uses.has('event')) variables['event'] = toCel(input.event, this.#meter);
    if (uses.has('headers')) variables['headers'] = headersToCel(input.headers, this.#meter);
    if (uses.has('data')) variables['data'] = toCel(input.data, this.#meter);
    return variables;
  }

  #explain(message: string, exprId: bigint | undefined): string {
    const field = /^field not found: (.*)$/s.exec(message)?.[1];
    if (field !== undefined) {
      // The library gives an access by index the node of what is indexed: no path ends in its key.
      const path = this.#checked.paths.get(String(exprId));
      const name = path?.endsWith(`.${field}`) === true ? path : JSON.stringify(field);
      return `${name} is absent`;
    }
    const index = /^index (.*) out of bounds/s.exec(message)?.[1];
    if (index !== undefined) return `element ${index} is absent`;
    const overload = /^found no matching overload for '?([^ ']+)'? applied to '(.*)'$/.exec(message);
    if (overload === null) return message;
    return `${operatorName(overload[1] ?? '')} does not work on ${overload[2]?.replace(/^\((.*)\)$/, '$1')}`;
  }
}

/** `_>_` -> `>`: operators as they are written. */
function operatorName(name: string): string {
  if (name === '_?_:_') return '? :';
  return /^[_-]|^!_|^@in$/.test(name) ? name.replaceAll(/^@|_/g, '') : name;
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) return 'the value is nested too deeply';
  return error instanceof Error ? error.message : String(error);
}
