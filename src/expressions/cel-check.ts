import type { CelEnv } from '@bufbuild/cel';
import { LOOP_FUNCTION } from './cel-functions.ts';
import { compilePattern } from './cel-patterns.ts';
import { ExpressionMistake, type Expr, type ParsedExpression } from './cel-syntax.ts';

/** The names that an expression may use. */
export const VARIABLES = ['event', 'headers', 'data'] as const;
export type Variable = (typeof VARIABLES)[number];

export interface CheckedExpression {
  /** The tree to plan: that of the parser, with every loop's range behind the loop counter. */
  readonly expr: Expr;
  readonly uses: ReadonlySet<Variable>;
  /** What each member access reads, e.g. `data.customer.id`, by the id of its node: for messages. */
  readonly paths: ReadonlyMap<string, string>;
}

/** Planning takes time with the square of the depth: 2,000 members deep took 130 ms. */
const MAX_DEPTH = 200;

const TYPE_NAMES = new Set([
  'int',
  'uint',
  'double',
  'bool',
  'string',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
]);

/** Operators that the library plans itself, with the number of their operands. */
const PLANNED = new Map([
  ['_[_]', 2],
  ['_?_:_', 3],
  ['_&&_', 2],
  ['_||_', 2],
  ['@not_strictly_false', 1],
]);

const MACROS: Readonly<Record<string, string>> = {
  has: 'has(data.field)',
  all: 'list.all(x, condition)',
  exists: 'list.exists(x, condition)',
  exists_one: 'list.exists_one(x, condition)',
  map: 'list.map(x, value)',
  filter: 'list.filter(x, condition)',
};

/**
 * Refuses what could only fail at evaluation: unknown names, event fields and functions, a wrong
 * number of arguments, bad patterns. Throws `ExpressionMistake`.
 */
export function checkExpression(
  source: string,
  parsed: ParsedExpression,
  env: CelEnv,
  eventFields: readonly string[] | undefined,
): CheckedExpression {
  const checker = new Checker(source, env, parsed.sourceInfo?.positions ?? {}, eventFields);
  const expr = checker.visit(parsed.expr, [], 0);
  return { expr, uses: checker.uses, paths: checker.paths };
}

type Kind<Case extends Expr['exprKind']['case']> = Extract<Expr['exprKind'], { case: Case }>;

class Checker {
  readonly uses = new Set<Variable>();
  readonly paths = new Map<string, string>();
  readonly #source: string;
  readonly #eventFields: readonly string[] | undefined;
  readonly #env: CelEnv;
  readonly #positions: Readonly<Record<string, number>>;

  constructor(
    source: string,
    env: CelEnv,
    positions: Readonly<Record<string, number>>,
    eventFields: readonly string[] | undefined,
  ) {
    this.#eventFields = eventFields;
    this.#source = source;
    this.#env = env;
    this.#positions = positions;
  }

  /** Returns the tree to plan in place of `expr`. */
  visit(expr: Expr, scope: readonly string[], depth: number): Expr {
    if (depth > MAX_DEPTH) throw this.#mistake(expr, `the expression is nested deeper than ${MAX_DEPTH}`);
    const kind = expr.exprKind;
    const next = (part: Expr | undefined, inner = scope): Expr => {
      if (part === undefined) throw this.#mistake(expr, 'something is missing here');
      return this.visit(part, inner, depth + 1);
    };
    switch (kind.case) {
      case 'identExpr':
        this.#visitName(expr, kind, scope);
        return expr;
      case 'selectExpr': {
        const operand = next(kind.value.operand);
        this.paths.set(String(expr.id), `${this.#pathOf(operand)}.${kind.value.field}`);
        this.#checkField(expr, operand, kind.value.field);
        return rebuilt(expr, { case: 'selectExpr', value: { ...kind.value, operand } });
      }
      case 'callExpr': {
        this.#visitCall(expr, kind);
        const args = kind.value.args.map((arg) => next(arg));
        const call = { ...kind.value, args };
        if (kind.value.target !== undefined) call.target = next(kind.value.target);
        return rebuilt(expr, { case: 'callExpr', value: call });
      }
      case 'listExpr': {
        const elements = kind.value.elements.map((element) => next(element));
        return rebuilt(expr, { case: 'listExpr', value: { ...kind.value, elements } });
      }
      case 'structExpr':
        return this.#visitMap(expr, kind, next);
      case 'comprehensionExpr':
        return this.#visitLoop(expr, kind, scope, next);
      case 'constExpr':
      case undefined:
      default:
        return expr;
    }
  }

  #visitName(expr: Expr, kind: Kind<'identExpr'>, scope: readonly string[]): void {
    const name = kind.value.name.replace(/^\./, '');
    this.paths.set(String(expr.id), name);
    if (scope.includes(kind.value.name) || TYPE_NAMES.has(name)) return;
    const variable = VARIABLES.find((candidate) => candidate === name);
    if (variable === undefined) {
      throw this.#mistake(expr, `unknown name "${name}"; there are ${VARIABLES.join(', ')}`);
    }
    this.uses.add(variable);
  }

  #checkField(expr: Expr, operand: Expr, field: string): void {
    // Loops cannot hide a variable, so a name "event" is always the event.
    const isEvent = operand.exprKind.case === 'identExpr' && this.#pathOf(operand) === 'event';
    if (!isEvent || this.#eventFields === undefined || this.#eventFields.includes(field)) return;
    throw this.#mistake(expr, `event has no "${field}"; it has ${this.#eventFields.join(', ')}`);
  }

  #visitCall(expr: Expr, kind: Kind<'callExpr'>): void {
    const { function: name, target, args } = kind.value;
    if (PLANNED.has(name) && target === undefined) return;
    const group = this.#env.funcs.find(name);
    if (group === undefined || name === LOOP_FUNCTION) throw this.#mistake(expr, unknownFunction(name));
    const fits = [...group].some(
      (candidate) =>
        (candidate.target !== undefined) === (target !== undefined) &&
        candidate.arguments.length === args.length,
    );
    if (!fits) {
      const form = target === undefined ? 'a function' : 'a method';
      throw this.#mistake(expr, `${name} is not ${form} of ${args.length} argument${plural(args.length)}`);
    }
    if (name === 'matches') this.#checkPattern(expr, args.at(-1));
  }

  /** A pattern from a body could be costly to compile, and could only fail at evaluation. */
  #checkPattern(expr: Expr, pattern: Expr | undefined): void {
    const kind = pattern?.exprKind;
    if (kind?.case !== 'constExpr' || kind.value.constantKind.case !== 'stringValue') {
      throw this.#mistake(pattern ?? expr, 'the pattern of matches must be a text in quotes');
    }
    try {
      compilePattern(kind.value.constantKind.value);
    } catch (error) {
      throw this.#mistake(pattern ?? expr, error instanceof Error ? error.message : String(error));
    }
  }

  #visitMap(expr: Expr, kind: Kind<'structExpr'>, next: (part: Expr | undefined) => Expr): Expr {
    if (kind.value.messageName !== '') {
      throw this.#mistake(expr, `unknown type "${kind.value.messageName}"; write a map as {"key": value}`);
    }
    const entries = kind.value.entries.map((entry) => {
      const keyKind = entry.keyKind;
      return {
        ...entry,
        keyKind:
          keyKind.case === 'mapKey' ? { case: 'mapKey' as const, value: next(keyKind.value) } : keyKind,
        value: next(entry.value),
      };
    });
    return rebuilt(expr, { case: 'structExpr', value: { ...kind.value, entries } });
  }

  #visitLoop(
    expr: Expr,
    kind: Kind<'comprehensionExpr'>,
    scope: readonly string[],
    next: (part: Expr | undefined, inner?: readonly string[]) => Expr,
  ): Expr {
    const { accuVar, iterVar, iterRange } = kind.value;
    if (VARIABLES.some((variable) => variable === iterVar)) {
      throw this.#mistake(expr, `the loop's name "${iterVar}" hides the variable of that name`);
    }
    const withResult = [...scope, accuVar];
    const inside = [...withResult, iterVar];
    const range = next(iterRange);
    const counted = rebuilt(range, {
      case: 'callExpr',
      value: { $typeName: 'cel.expr.Expr.Call', function: LOOP_FUNCTION, args: [range] },
    });
    return rebuilt(expr, {
      case: 'comprehensionExpr',
      value: {
        ...kind.value,
        iterRange: counted,
        accuInit: next(kind.value.accuInit),
        loopCondition: next(kind.value.loopCondition, inside),
        loopStep: next(kind.value.loopStep, inside),
        result: next(kind.value.result, withResult),
      },
    });
  }

  #pathOf(expr: Expr): string {
    const kind = expr.exprKind;
    if (kind.case === 'callExpr' && kind.value.function === '_[_]') {
      const [list] = kind.value.args;
      return list === undefined ? '[...]' : `${this.#pathOf(list)}[...]`;
    }
    return this.paths.get(String(expr.id)) ?? '(...)';
  }

  #mistake(expr: Expr, message: string): ExpressionMistake {
    const offset = this.#positions[String(expr.id)] ?? 0;
    // A method's position is that of its dot; its name is what is wrong.
    return new ExpressionMistake(message, this.#source[offset] === '.' ? offset + 1 : offset);
  }
}

function rebuilt(expr: Expr, exprKind: Expr['exprKind']): Expr {
  return { ...expr, exprKind };
}

function unknownFunction(name: string): string {
  const form = Object.hasOwn(MACROS, name) ? MACROS[name] : undefined;
  return form === undefined ? `unknown function "${name}"` : `${name} is written ${form}`;
}

function plural(count: number): string {
  return count === 1 ? '' : 's';
}
