import type { LogFields, Logger } from '../ports/logger.ts';

/** One line as it was logged. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
  readonly error: unknown;
}

/** A logger that keeps its lines for tests to look at. */
export class RecordingLogger implements Logger {
  /** Everything logged, in order. */
  readonly lines: LogLine[] = [];

  debug(event: string, fields: LogFields = {}): void {
    this.#record('debug', event, fields);
  }

  info(event: string, fields: LogFields = {}): void {
    this.#record('info', event, fields);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.#record('warn', event, fields);
  }

  error(event: string, fields: LogFields = {}, error?: unknown): void {
    this.#record('error', event, fields, error);
  }

  /** The fields of each line of this event, in order. */
  of(event: string): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields);
  }

  #record(level: LogLine['level'], event: string, fields: LogFields, error?: unknown): void {
    // A copy: the caller may go on changing what it passed.
    this.lines.push({ level, event, fields: { ...fields }, error });
  }
}
