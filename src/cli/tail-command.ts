import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { eventFilterFields } from '../api/events.ts';
import { type ApiClient, ProblemFailure } from './api-client.ts';
import { addConnectionOptions, connect, type CommandFlags } from './connect.ts';
import { shortened, sizeText } from './format.ts';
import { numberOf, parseJson, textOf } from './json-value.ts';
import { schemaFields } from './operation-fields.ts';
import { asJson, CliFailure, paint, printable, printNote, printText } from './output.ts';
import { ServerSentEventParser } from './server-sent-events.ts';

/** The server says something at least every 15 s; silence of this length means a dead connection. */
const SILENCE_LIMIT_MS = 45_000;
const LONGEST_WAIT_MS = 10_000;

/** `events tail`: one line for each event as it is accepted, until Ctrl-C. */
export function addTailCommand(events: Command): void {
  const { from: _from, to: _to, ...filters } = eventFilterFields;
  const command = events
    .command('tail')
    .summary('Follow events as they are accepted, until Ctrl-C')
    .description(
      'Follow events as they are accepted, one line each, until Ctrl-C. A lost connection is taken up ' +
        'again after the last event that was shown.',
    );
  const fields = schemaFields(z.strictObject(filters), 'query');
  for (const field of fields) command.addOption(new Option(`${field.flag} <text>`, field.description));
  addConnectionOptions(command, { hasOwnUrl: false });
  command.action(async () => {
    const flags: CommandFlags = command.opts();
    const query: Record<string, string> = {};
    for (const [index, field] of fields.entries()) {
      const value = flags[command.options[index]?.attributeName() ?? ''];
      if (typeof value === 'string') query[field.path.join('.')] = value;
    }
    await new Tail(connect(command), query, flags['json'] === true).follow();
  });
}

class Tail {
  readonly #api: ApiClient;
  readonly #query: Readonly<Record<string, string>>;
  readonly #json: boolean;
  #lastId = '';
  #retryMs = 1_000;
  #failures = 0;
  #wasConnected = false;

  constructor(api: ApiClient, query: Readonly<Record<string, string>>, json: boolean) {
    this.#api = api;
    this.#query = query;
    this.#json = json;
  }

  /** Ends with the process, or rejects when going on is pointless: a refused key, a bad filter. */
  async follow(): Promise<void> {
    process.once('SIGINT', () => process.exit(0));
    process.once('SIGTERM', () => process.exit(0));
    for (;;) {
      try {
        await this.#connection();
        this.#lost('the server closed the stream');
      } catch (error) {
        if (!(error instanceof CliFailure))
          this.#lost(error instanceof Error ? error.message : String(error));
        else if (!this.#wasConnected || isFinal(error)) throw error;
        else this.#lost(error.message.split('\n')[0] ?? '');
      }
      await delay(Math.min(this.#retryMs * 2 ** Math.min(this.#failures - 1, 5), LONGEST_WAIT_MS));
    }
  }

  async #connection(): Promise<void> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error('nothing came for too long')), SILENCE_LIMIT_MS);
    try {
      const response = await this.#api.open('/v1/stream', {
        method: 'GET',
        query: this.#query,
        headers: {
          accept: 'text/event-stream',
          ...(this.#lastId === '' ? {} : { 'last-event-id': this.#lastId }),
        },
        signal: silence.signal,
      });
      this.#connected();
      const parser = new ServerSentEventParser();
      const decoder = new TextDecoder();
      for await (const piece of response.body ?? []) {
        timer.refresh();
        this.#take(parser, decoder.decode(piece, { stream: true }));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(parser: ServerSentEventParser, text: string): void {
    for (const item of parser.push(text)) {
      if (item.kind === 'retry') this.#retryMs = item.ms;
      if (item.kind !== 'event') continue;
      this.#lastId = item.event.id;
      this.#show(item.event.data);
    }
  }

  #show(data: string): void {
    const parsed = parseJson(data);
    const event = 'value' in parsed ? parsed.value : null;
    if (this.#json) {
      printText(asJson(event));
      return;
    }
    const key = textOf(event, 'key');
    const parts = [
      paint('dim', new Date(textOf(event, 'received_at') ?? 0).toLocaleTimeString('en-GB')),
      printable(textOf(event, 'id') ?? ''),
      paint('bold', shortened(textOf(event, 'type') ?? '', 64)),
      `from ${shortened(textOf(event, 'source') ?? '', 48)}`,
      ...(key === null ? [] : [`key ${shortened(key, 48)}`]),
      paint('dim', sizeText(numberOf(event, 'body_bytes') ?? 0)),
    ];
    printText(parts.join('  '));
  }

  #connected(): void {
    const { url } = this.#api.connection;
    if (!this.#wasConnected) printNote(`following events of ${url}; Ctrl-C ends it`);
    else if (this.#failures > 0) printNote('connected again');
    this.#wasConnected = true;
    this.#failures = 0;
  }

  #lost(why: string): void {
    if (this.#failures === 0) printNote(`lost the connection (${printable(why)}); trying again`);
    this.#failures += 1;
  }
}

/** Asking again would be answered the same. */
function isFinal(error: CliFailure): boolean {
  return error instanceof ProblemFailure && error.status < 500 && error.status !== 429;
}
