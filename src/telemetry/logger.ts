import { isatty } from 'node:tty';
import { destination, pino, type DestinationStream } from 'pino';
import type { LogFields, Logger } from '../ports/logger.ts';
import { prettyLine } from './pretty-line.ts';
import { redactField, redactText } from './redact.ts';

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
 * Structured logs over pino, written asynchronously. One line is
 * `{"level":"info","time":"2026-01-02T03:04:05.678Z","event":"event.accepted",...fields}`.
 */
export function createLogger(options: LoggerOptions): FlushableLogger {
  const output = openOutput(options);
  const lines = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${formatTime(Date.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.format === 'pretty' ? prettyStream(output, options) : output,
  );
  const log = (level: 'debug' | 'info' | 'warn' | 'error', event: string, fields?: LogFields): void => {
    if (lines.isLevelEnabled(level)) lines[level](lineOf(event, fields));
  };
  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error(event, fields, error) {
      if (!lines.isLevelEnabled('error')) return;
      const line = lineOf(event, fields);
      if (error !== undefined) line['error'] = describeError(error, 0);
      lines.error(line);
    },
    flush: () => output.flushed(),
  };
}

interface Output extends DestinationStream {
  flushed(): Promise<void>;
}

function openOutput({ fd = 1, write }: LoggerOptions): Output {
  if (write !== undefined) return { write, flushed: () => Promise.resolve() };
  // minLength 1 writes each piece at once, but unlike 0 lets flush() wait for the write under way.
  const stream = destination({ fd, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES });
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
  const stream = destination({ fd, sync: true });
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

function prettyStream(output: Output, { fd = 1, colour }: LoggerOptions): DestinationStream {
  const { NO_COLOR: noColour = '', TERM: terminal } = process.env;
  const coloured = colour ?? (isatty(fd) && noColour === '' && terminal !== 'dumb');
  return { write: (line) => output.write(prettyLine(line, coloured)) };
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

function lineOf(event: string, fields: LogFields | undefined): Record<string, unknown> {
  const line: Record<string, unknown> = { event };
  for (const name in fields) {
    // A field of one of the line's own names would stand in it twice.
    line[OWN_NAMES.has(name) ? `${name}_` : name] = redactField(name, fields[name]);
  }
  return line;
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
