import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLogger, type LoggerOptions } from './logger.ts';
import { prettyLine } from './pretty-line.ts';
import { redactText } from './redact.ts';

function collect(options: Partial<LoggerOptions> = {}): {
  readonly logger: ReturnType<typeof createLogger>;
  readonly lines: string[];
} {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
  };
  return { logger: createLogger({ level: 'debug', format: 'json', write, ...options }), lines };
}

function parsed(line: string | undefined): Record<string, unknown> {
  const value: unknown = JSON.parse(line ?? 'null');
  return { ...(typeof value === 'object' ? value : {}) };
}

const script = (end: string): string => `
  import { createLogger } from ${JSON.stringify(new URL('logger.ts', import.meta.url).href)};
  const logger = createLogger({ level: 'info', format: 'json' });
  for (let n = 0; n < 5000; n++) logger.info('line.written', { n });
  ${end}
`;

const run = promisify(execFile);

afterEach(() => {
  vi.useRealTimers();
});

describe('JSON lines', () => {
  it('carry level, time, event and fields, in this order', () => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 2, 3, 4, 5, 678) });
    const { logger, lines } = collect();
    logger.info('event.accepted', {
      event_id: 'evt_1',
      bytes: 12,
      duplicate: false,
      key: null,
      absent: undefined,
    });
    expect(lines).toEqual([
      '{"level":"info","time":"2026-01-02T03:04:05.678Z","event":"event.accepted","event_id":"evt_1","bytes":12,"duplicate":false,"key":null}\n',
    ]);
  });

  it('leave out what is below the level', () => {
    const { logger, lines } = collect({ level: 'warn' });
    logger.debug('a.done');
    logger.info('a.done');
    logger.warn('a.done');
    logger.error('a.done');
    expect(lines.map((line) => parsed(line)['level'])).toEqual(['warn', 'error']);
    const silent = collect({ level: 'silent' });
    silent.logger.error('a.failed', {}, new Error('x'));
    expect(silent.lines).toEqual([]);
  });

  it('tell what was thrown, with its causes', () => {
    const { logger, lines } = collect();
    const cause = Object.assign(new TypeError('inner'), { code: 'ECONNREFUSED' });
    logger.error('store.failed', { store: 'sqlite' }, new Error('outer', { cause }));
    expect(parsed(lines[0])).toMatchObject({
      event: 'store.failed',
      store: 'sqlite',
      error: {
        type: 'Error',
        message: 'outer',
        stack: expect.stringContaining('logger.test.ts'),
        cause: { type: 'TypeError', message: 'inner', code: 'ECONNREFUSED' },
      },
    });
  });

  it('survive everything that can be thrown', () => {
    const { logger, lines } = collect();
    const circular = new Error('circle');
    circular.cause = circular;
    for (const thrown of [circular, 'text', null, 1n, Symbol('s'), Object.create(null), { toString: 1 }]) {
      logger.error('a.failed', {}, thrown);
    }
    expect(lines).toHaveLength(7);
  });

  it('do not let fields stand in for their own names', () => {
    const { logger, lines } = collect();
    logger.info('a.done', { event: 'b', level: 'x', time: 1 });
    expect(parsed(lines[0])).toMatchObject({
      event: 'a.done',
      event_: 'b',
      level: 'info',
      level_: 'x',
      time_: 1,
    });
  });
});

describe('redaction', () => {
  it('hides fields whose name speaks of a secret', () => {
    const { logger, lines } = collect();
    logger.info('a.done', {
      api_key: 'a',
      clientSecret: 'b',
      authorization: 'c',
      lease_token: 'd',
      session_key: 'customer-1',
      key: 'x',
    });
    expect(parsed(lines[0])).toMatchObject({
      api_key: '[redacted]',
      clientSecret: '[redacted]',
      authorization: '[redacted]',
      lease_token: '[redacted]',
      session_key: 'customer-1',
      key: 'x',
    });
  });

  it('hides what looks like a secret in texts and errors', () => {
    const key = `rb_${'a1B2'.repeat(10)}`;
    const { logger, lines } = collect();
    logger.error('a.failed', { url: 'postgres://rb:hunter2@db/x' }, new Error(`bad key ${key}`));
    expect(lines.join('')).not.toContain(key);
    expect(lines.join('')).not.toContain('hunter2');
  });

  it.each([
    ['POST /in/abcdefghijklmnop1234/x', 'POST /in/[redacted]/x'],
    ['secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'secret [redacted]'],
    ['Bearer abcdefghij', '[redacted]'],
    ['evt_01h2 took 3 ms', 'evt_01h2 took 3 ms'],
    ['https://example.com:8420/in', 'https://example.com:8420/in'],
  ])('%s', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });
});

describe('lines for people', () => {
  it('are short', () => {
    vi.useFakeTimers({ now: new Date(2026, 0, 2, 3, 4, 5, 6) });
    const { logger, lines } = collect({ format: 'pretty', colour: false });
    logger.info('delivery.attempted', { delivery_id: 'dlv_1', status: 200, reason: 'not now' });
    expect(lines).toEqual([
      '03:04:05.006 info  delivery.attempted delivery_id=dlv_1 status=200 reason="not now"\n',
    ]);
  });

  it('show a stack on lines of its own, and causes', () => {
    const { logger, lines } = collect({ format: 'pretty', colour: false });
    logger.error('a.failed', {}, new Error('outer', { cause: new Error('inner') }));
    expect(lines[0]).toMatch(/a\.failed\n {4}Error: outer\n[^]* {4}caused by\n {4}Error: inner\n/);
  });

  it('can be coloured', () => {
    expect(prettyLine('{"level":"warn","time":"2026-01-02T03:04:05Z","event":"a.done"}', true)).toContain(
      '\u001B[33m',
    );
  });
});

describe('asynchronous output', () => {
  it.each([
    ['when the process ends', ''],
    ['when it exits after a flush', 'await logger.flush(); process.exit(0);'],
    ['when it exits at once', 'process.exit(0);'],
    [
      'when it ends by an error',
      'process.once("uncaughtException", () => process.exit(0)); throw new Error("x");',
    ],
  ])('loses no line %s', async (_, end) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script(end)], {
      maxBuffer: 2 ** 26,
    });
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => parsed(line)['n'])).toEqual(Array.from({ length: 5_000 }, (_line, n) => n));
  });
});
