/** What keys are read from: a terminal, or what a test gives in its place. */
export interface KeyInput {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
  setEncoding(encoding: 'utf8'): unknown;
  on(event: 'data', listener: (text: string) => void): unknown;
  removeListener(event: 'data', listener: (text: string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface KeyActions {
  /** Also for Ctrl-C and Ctrl-D, which a terminal in raw mode passes on as letters. */
  readonly quit: () => void;
  /** By letter. */
  readonly keys: Readonly<Record<string, () => void>>;
  /** What is typed into a question appears as this writes it. */
  readonly echo: (text: string) => void;
}

interface Question {
  text: string;
  readonly answer: (text: string | null) => void;
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const ESCAPE = '\u001b';
const ERASERS = new Set(['\u007f', '\b']);

/** Single keys from a terminal, and a line where one is asked for. */
export class TerminalKeys {
  readonly #input: KeyInput;
  readonly #actions: KeyActions;
  readonly #onData = (text: string): void => this.#take(text);
  #question: Question | null = null;

  constructor(input: KeyInput, actions: KeyActions) {
    this.#input = input;
    this.#actions = actions;
  }

  start(): void {
    this.#input.setRawMode?.(true);
    this.#input.setEncoding('utf8');
    this.#input.on('data', this.#onData);
    this.#input.resume();
  }

  /** Leaves the terminal as it was. */
  close(): void {
    this.#input.removeListener('data', this.#onData);
    this.#input.setRawMode?.(false);
    this.#input.pause();
    this.#question?.answer(null);
    this.#question = null;
  }

  /** A line; `null` when it was broken off with Escape. */
  ask(prompt: string): Promise<string | null> {
    this.#question?.answer(null);
    this.#actions.echo(prompt);
    return new Promise((resolve) => {
      this.#question = { text: '', answer: resolve };
    });
  }

  #take(text: string): void {
    // An arrow key comes as several characters behind an escape: it is one key, and not one of ours.
    if (text.length > 1 && text.startsWith(ESCAPE)) return;
    for (const key of text) {
      if (key === CTRL_C || (key === CTRL_D && this.#question === null)) this.#actions.quit();
      else if (this.#question === null) this.#actions.keys[key.toLowerCase()]?.();
      else this.#type(key, this.#question);
    }
  }

  #type(key: string, question: Question): void {
    if (key === '\r' || key === '\n' || key === ESCAPE) {
      this.#question = null;
      this.#actions.echo('\n');
      question.answer(key === ESCAPE ? null : question.text);
    } else if (ERASERS.has(key)) {
      if (question.text === '') return;
      question.text = Array.from(question.text).slice(0, -1).join('');
      this.#actions.echo('\b \b');
    } else if (!/\p{Cc}/u.test(key)) {
      question.text += key;
      this.#actions.echo(key);
    }
  }
}
