/** Values that a log line may carry. Bodies and secrets never do. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One line per happening; `event` is `noun.past_tense`. Never throws, never blocks. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  /** `error` is what was thrown, if anything; its stack is logged, its `cause` too. */
  error(event: string, fields?: LogFields, error?: unknown): void;
}
