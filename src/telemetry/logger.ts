import { isatty } from 'node:tty';
import sonic from 'sonic-boom';
import type { LogFields, Logger } from '../ports/logger.ts';
import { prettyLine } from './pretty-line.ts';
import { isSecretName, maybeSecret, redactField, redactText } from './redact.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'pretty';
  /** File descriptor to write to. Default 1, standard output. */
  readonly fd?: number;
  /** For `pretty`. Default: whether `fd` is a terminal that shows colours. */
  readonly colour?: boolean;
  /** In place of `fd`, for tests: called with each whole line. */
  readonly write?: (line: string) => void;
}

export interface FlushableLogger extends Logger {
  /** Resolves when all lines so far are written. The process's exit writes what is left by itself. */
  flush(): Promise<void>;
}

// When nobody reads our output, lines wait in memory up to here and are then dropped: blocking or
// growing for ever would turn a stuck log collector into an outage.
const MAX_WAITING_BYTES = 16 * 1024 ** 2;

/**
 * Structured logs, written asynchronously. One line is
 * `{"level":"info","time":"2026-01-02T03:04:05.678Z","event":"event.accepted",...fields}`.
 *
 * Two lines for each event are a part of what an event costs. Put together here they take half of what
 * they took by way of a logging library, which must reckon with fields of any kind.
 */
export function createLogger(options: LoggerOptions): FlushableLogger {
  const output = openOutput(options);
  const write = options.format === 'pretty' ? prettyWriter(output, options) : output.write;
  const least = LEVELS.indexOf(options.level);
  const log = (level: Level, event: string, fields?: LogFields): void => {
    if (LEVELS.indexOf(level) >= least) write(`${beginningOf(level, event, fields)}}\n`);
  };
  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error(event, fields, error) {
      if (error === undefined || options.level === 'silent') {
        log('error', event, fields);
        return;
      }
      const described = JSON.stringify(describeError(error, 0));
      write(`${beginningOf('error', event, fields)},"error":${described}}\n`);
    },
    flush: () => output.flushed(),
  };
}

/** From the least to the most serious; `silent` is above all lines. */
const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = Exclude<(typeof LEVELS)[number], 'silent'>;

interface Output {
  readonly write: (line: string) => void;
  flushed(): Promise<void>;
}

function openOutput({ fd = 1, write }: LoggerOptions): Output {
  if (write !== undefined) return { write, flushed: () => Promise.resolve() };
  // minLength 1 writes each piece at once, but unlike 0 lets flush() wait for the write under way.
  const stream = new sonic.SonicBoom({ fd, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES });
  // A full disk or a reader that went away must not stop the gateway; there is nowhere to tell it.
  stream.on('error', () => undefined);
  const lines = new GatheredLines(
    (text) => stream.write(text),
    (text) => {
      stream.flushSync();
      writeAtOnce(fd, text);
    },
  );
  return {
    write: (line) => lines.add(line),
    flushed: () => {
      lines.end();
      return new Promise((resolve) => {
        stream.flush(() => resolve());
      });
    },
  };
}

/** A write that is begun while the process exits would not come to its end. */
function writeAtOnce(fd: number, text: string): void {
  const stream = new sonic.SonicBoom({ fd, sync: true });
  stream.on('error', () => undefined);
  stream.write(text);
}

/** Those that hold something. */
const begun = new Set<GatheredLines>();
process.on('exit', () => {
  for (const lines of begun) lines.endAtExit();
});

/** The least time from one write to the next. */
const PAUSE_MS = 10;

/**
 * Gathers lines: a busy gateway writes thousands in a second, and to hand each to the operating system by
 * itself cost more than to make it. The first after a pause goes out with the turn of the event loop in
 * which it was written.
 */
class GatheredLines {
  readonly #write: (text: string) => void;
  readonly #writeAtExit: (text: string) => void;
  #text = '';
  #writtenAt = Number.NEGATIVE_INFINITY;

  constructor(write: (text: string) => void, writeAtExit: (text: string) => void) {
    this.#write = write;
    this.#writeAtExit = writeAtExit;
  }

  add(line: string): void {
    if (this.#text === '') {
      begun.add(this);
      this.#endSoon();
    }
    this.#text += line;
  }

  end(): void {
    const text = this.#take();
    if (text === '') return;
    this.#writtenAt = performance.now();
    this.#write(text);
  }

  endAtExit(): void {
    this.#writeAtExit(this.#take());
  }

  #endSoon(): void {
    const leftMs = this.#writtenAt + PAUSE_MS - performance.now();
    if (leftMs <= 0) setImmediate(() => this.end());
    else setTimeout(() => this.end(), leftMs).unref();
  }

  #take(): string {
    const text = this.#text;
    this.#text = '';
    begun.delete(this);
    return text;
  }
}

function prettyWriter({ write }: Output, { fd = 1, colour }: LoggerOptions): Output['write'] {
  const { NO_COLOR: noColour = '', TERM: terminal } = process.env;
  const coloured = colour ?? (isatty(fd) && noColour === '' && terminal !== 'dumb');
  return (line) => write(prettyLine(line, coloured));
}

let lastSecond = Number.NaN;
let lastSecondText = '';

/** RFC 3339 in UTC. The date part is kept for its second: making it cost a third of a log line. */
function formatTime(nowMs: number): string {
  const second = Math.floor(nowMs / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondText = new Date(second * 1_000).toISOString().slice(0, -4);
  }
  return `${lastSecondText}${String(nowMs - second * 1_000).padStart(3, '0')}Z`;
}

const OWN_NAMES = new Set(['level', 'time', 'event', 'error']);

/** A line but for its end: what an error says may follow. */
function beginningOf(level: Level, event: string, fields: LogFields | undefined): string {
  const beginning = `{"level":"${level}","time":"${formatTime(Date.now())}","event":${JSON.stringify(event)}`;
  const text = fields === undefined ? '{}' : fieldsText(fields);
  return text === '{}' ? beginning : `${beginning},${text.slice(1, -1)}`;
}

/**
 * Nearly always the fields are shown as they are. Made in one piece, and searched for secrets in one piece:
 * what a secret looks like stands in JSON as it stands in the text.
 */
function fieldsText(fields: LogFields): string {
  if (namesAreHarmless(fields)) {
    const text = JSON.stringify(fields);
    if (!maybeSecret(text)) return text;
  }
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    // A field of one of the line's own names would stand in it twice.
    shown[OWN_NAMES.has(name) ? `${name}_` : name] = redactField(name, value);
  }
  return JSON.stringify(shown);
}

function namesAreHarmless(fields: LogFields): boolean {
  for (const name in fields) if (OWN_NAMES.has(name) || isSecretName(name)) return false;
  return true;
}

const MAX_CAUSES = 5;

function describeError(error: unknown, depth: number): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: redactText(textOf(error)) };
  const { name, message, stack, cause } = error;
  const described: Record<string, unknown> = { type: name, message: redactText(message) };
  if ('code' in error) described['code'] = textOf(error.code);
  if (stack !== undefined) described['stack'] = redactText(stack);
  if (cause !== undefined && depth < MAX_CAUSES) described['cause'] = describeError(cause, depth + 1);
  return described;
}

/** Anything can be thrown, also what throws when it is made a text. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something that is not an error';
  }
}
