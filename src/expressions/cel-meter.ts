/** Thrown inside an evaluation, never out of it. */
export class BudgetExceeded extends Error {
  constructor() {
    super('the expression needs too many steps for this event');
  }
}

/**
 * Counts the steps of one evaluation and stops it at a limit.
 *
 * CEL always ends, but nested loops over a large body take time with the power of their depth, and a
 * gateway that evaluates them on its main thread would stand still meanwhile. A step is roughly one
 * function call, one list element or 64 characters looked at; `cel-costs.ts` has the dearer calls.
 */
export class Meter {
  readonly #budget: number;
  #left = 0;

  constructor(budget: number) {
    this.#budget = budget;
  }

  start(): void {
    this.#left = this.#budget;
  }

  charge(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new BudgetExceeded();
  }

  get exceeded(): boolean {
    return this.#left < 0;
  }
}
