import { Problem } from '../../domain/problem.ts';
import { isUnavailable } from './failures.ts';

export interface GroupRules<Op> {
  /** The most operations in one group, so that a commit stays short, also after a pile-up. */
  readonly maxOps: number;
  /** The most bytes; a single operation may have more. */
  readonly maxBytes: number;
  readonly bytesOf: (op: Op) => number;
  /** Names that two operations of one group must not share: the later one waits for the next group. */
  readonly namesOf: (op: Op) => readonly string[];
}

interface Waiting<Op, Answer> {
  readonly op: Op;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs operations in groups: while one group is being committed, the next one gathers. That is the whole
 * group commit: no timer, and a lone operation goes at once.
 *
 * A group that the server refuses is halved and tried again, so that one bad operation fails alone. A
 * group that was not answered is not tried again: it may have been written, and only the caller knows
 * what to do then.
 */
export class GroupCommit<Op, Answer> {
  readonly #run: (ops: readonly Op[]) => Promise<readonly Answer[]>;
  readonly #rules: GroupRules<Op>;
  #waiting: Waiting<Op, Answer>[] = [];
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(run: (ops: readonly Op[]) => Promise<readonly Answer[]>, rules: GroupRules<Op>) {
    this.#run = run;
    this.#rules = rules;
  }

  add(op: Op): Promise<Answer> {
    if (this.#closed) return Promise.reject(new Problem('store_unavailable', 'the store is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ op, resolve, reject });
      this.#running ??= this.#runAll();
    });
  }

  /** Takes no more; resolves when everything that was added has been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #runAll(): Promise<void> {
    // What is added in this turn of the event loop belongs to the first group.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    while (this.#waiting.length > 0) await this.#runGroup(this.#takeGroup());
    this.#running = null;
  }

  #takeGroup(): Waiting<Op, Answer>[] {
    const group: Waiting<Op, Answer>[] = [];
    const later: Waiting<Op, Answer>[] = [];
    const names = new Set<string>();
    let bytes = 0;
    for (const [index, waiting] of this.#waiting.entries()) {
      if (group.length >= this.#rules.maxOps || (bytes >= this.#rules.maxBytes && group.length > 0)) {
        later.push(...this.#waiting.slice(index));
        break;
      }
      const wanted = this.#rules.namesOf(waiting.op);
      if (wanted.some((name) => names.has(name))) {
        later.push(waiting);
      } else {
        bytes += this.#rules.bytesOf(waiting.op);
        group.push(waiting);
      }
      // Also of those that wait: among themselves they keep their order.
      for (const name of wanted) names.add(name);
    }
    this.#waiting = later;
    return group;
  }

  async #runGroup(group: readonly Waiting<Op, Answer>[]): Promise<void> {
    try {
      const answers = await this.#run(group.map(({ op }) => op));
      for (const [index, { resolve, reject }] of group.entries()) {
        const answer = answers[index];
        if (answer === undefined) reject(new Error('an operation was left without an answer'));
        else resolve(answer);
      }
    } catch (error) {
      if (group.length === 1 || isUnavailable(error)) {
        for (const { reject } of group) reject(error);
        return;
      }
      const middle = Math.ceil(group.length / 2);
      await this.#runGroup(group.slice(0, middle));
      await this.#runGroup(group.slice(middle));
    }
  }
}
