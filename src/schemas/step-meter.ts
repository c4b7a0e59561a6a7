/** Thrown inside a check, never out of it. */
export class TooManySteps extends Error {}

/**
 * Counts the steps of one check and stops it at a limit.
 *
 * A few lines of recursive schema take time that doubles with each level of the value, and the gateway
 * checks on its main thread. A step is one subschema looked at, or about a tenth of a microsecond of what
 * a single keyword does.
 */
export class StepMeter {
  /** Public, because the code that ajv generates counts by itself: a call for each step costs more than the step. */
  left = 0;

  start(budget: number): void {
    this.left = budget;
  }

  charge(steps: number): void {
    this.left -= steps;
    if (this.left < 0) throw new TooManySteps();
  }
}
