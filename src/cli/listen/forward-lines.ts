import { cliName } from '../cli-name.ts';
import { durationText, shortened } from '../format.ts';
import { asJson, paint, printable } from '../output.ts';
import { requestText } from '../request-text.ts';
import { eventLine } from '../tail-command.ts';
import type { BroughtEvent } from './brought-event.ts';
import type { ForwardTold } from './forwarder.ts';
import type { LocalAnswer } from './local-program.ts';

/** Where lines go: the answer of the command, and what is said beside it. */
export interface Screen {
  line(text: string): void;
  note(text: string): void;
}

export interface ForwardLinesOptions {
  readonly json: boolean;
  readonly print: boolean;
  readonly reveal: boolean;
  /** Whether someone is there to press keys. */
  readonly hasKeys: boolean;
  readonly target: string;
}

/** One line for each event, when it is done with; and what goes wrong, once. */
export class ForwardLines implements ForwardTold {
  readonly #screen: Screen;
  readonly #options: ForwardLinesOptions;
  #downSince: number | null = null;
  forwardedCount = 0;
  skippedCount = 0;

  constructor(screen: Screen, options: ForwardLinesOptions) {
    this.#screen = screen;
    this.#options = options;
  }

  /** Only shown, with no program to bring it to. */
  shown(event: BroughtEvent): void {
    if (this.#options.json) this.#screen.line(asJson(event.record));
    else this.#screen.line(eventLine(event.record));
    this.#print(event);
  }

  forwarded(event: BroughtEvent, answer: LocalAnswer, attempts: number): void {
    this.#reached(answer);
    this.forwardedCount += 1;
    this.#result('forwarded', event, answer, attempts);
  }

  skipped(event: BroughtEvent, answer: LocalAnswer, attempts: number): void {
    this.skippedCount += 1;
    this.#result('skipped', event, answer, attempts);
    if (!this.#options.json) this.#screen.note(`skipped; it is kept: ${cliName()} events get ${event.id}`);
  }

  failing(event: BroughtEvent, answer: LocalAnswer): void {
    const skips = this.#options.hasKeys ? '; s skips it' : '';
    const { target } = this.#options;
    if (answer.kind === 'unreachable') {
      if (this.#downSince !== null) return;
      this.#downSince = Date.now();
      this.#warn(
        `${target} cannot be reached (${printable(answer.why)}): ${event.id} waits and so does what comes ` +
          `after it; trying again${skips}`,
      );
      return;
    }
    this.#reached(answer);
    const said = answer.text.trim() === '' ? '' : `: ${shortened(answer.text.trim(), 200)}`;
    this.#warn(`${target} answered ${event.id} with ${answer.status}${said}; trying again in order${skips}`);
  }

  #reached(answer: LocalAnswer): void {
    if (answer.kind !== 'answered' || this.#downSince === null) return;
    const ms = Date.now() - this.#downSince;
    this.#downSince = null;
    this.#screen.note(
      paint('green', `${this.#options.target} answers again after ${durationText(ms)}`, process.stderr),
    );
  }

  #result(
    outcome: 'forwarded' | 'skipped',
    event: BroughtEvent,
    answer: LocalAnswer,
    attempts: number,
  ): void {
    const status = answer.kind === 'answered' ? answer.status : null;
    if (this.#options.json) {
      const { id, type, source } = event;
      const error = answer.kind === 'unreachable' ? answer.why : null;
      this.#screen.line(asJson({ outcome, id, type, source, status, error, ms: answer.ms, attempts }));
      return;
    }
    const style = outcome === 'forwarded' ? 'green' : 'red';
    const tries = attempts === 1 ? '' : `  attempt ${attempts}`;
    const text = `${outcome === 'skipped' ? 'skipped ' : ''}${status ?? 'unreachable'}`;
    this.#screen.line(
      `${eventLine(event.record)}  ${paint(style, text)}  ${durationText(answer.ms)}${tries}`,
    );
    this.#print(event);
  }

  #print(event: BroughtEvent): void {
    if (this.#options.json || !this.#options.print) return;
    this.#screen.line(`${requestText(event, { reveal: this.#options.reveal })}\n`);
  }

  #warn(text: string): void {
    this.#screen.note(paint('yellow', text, process.stderr));
  }
}
