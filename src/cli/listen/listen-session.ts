import { setTimeout as delay } from 'node:timers/promises';
import { type ApiClient, ProblemFailure } from '../api-client.ts';
import { cliName } from '../cli-name.ts';
import { type ConnectionTold, type Followed, followStream } from '../follow-stream.ts';
import { recordOf, textOf } from '../json-value.ts';
import { asJson, CliFailure, paint, printable } from '../output.ts';
import { gapText } from '../tail-command.ts';
import { bodyOf, broughtEvent, type BroughtEvent } from './brought-event.ts';
import type { ForwardLines, Screen } from './forward-lines.ts';
import { Forwarder } from './forwarder.ts';
import type { ListenCursor } from './listen-cursor.ts';
import type { LocalProgram } from './local-program.ts';

export interface ListenOptions {
  readonly api: ApiClient;
  /** `null` = events are only shown. */
  readonly program: LocalProgram | null;
  readonly cursor: ListenCursor;
  readonly sources: readonly string[];
  readonly type: string | null;
  readonly filter: string | null;
  /** Begins with that many past events. */
  readonly last: number;
  readonly silenceLimitMs: number;
  readonly skipAfter: number | null;
  readonly json: boolean;
  readonly lines: ForwardLines;
  readonly screen: Screen;
  readonly told: ConnectionTold;
}

const BODY_AGAIN_MS = 1_000;

/** Brings what the gateway accepts to a local program, in order, and keeps the place after each event. */
export class ListenSession {
  readonly #options: ListenOptions;
  readonly #forwarder: Forwarder | null;
  readonly #quit = new AbortController();
  readonly #abort = new AbortController();
  #round = new AbortController();
  #filter: string | null;
  #place: string;
  #last: BroughtEvent | null = null;
  #paused: PromiseWithResolvers<void> | null = null;
  /** One event at a time, also when an old one is asked for again. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ListenOptions) {
    const { program, skipAfter, lines: told } = options;
    this.#options = options;
    this.#filter = options.filter;
    this.#place = options.cursor.place;
    this.#forwarder =
      program === null
        ? null
        : new Forwarder({ program, skipAfter, told, bodyOf: (event, signal) => this.#body(event, signal) });
  }

  /** Ends after `quit`; rejects when going on is pointless. */
  async run(): Promise<void> {
    let { last } = this.#options;
    while (!this.#quit.signal.aborted) {
      this.#round = new AbortController();
      // oxlint-disable-next-line no-await-in-loop -- a new round only when the filter was changed
      await this.#follow(last);
      last = 0;
    }
  }

  /** What the program is just working on is waited for; asked a second time, not even that. */
  quit(): void {
    if (this.#quit.signal.aborted) this.#abort.abort();
    this.#quit.abort();
    this.#paused?.resolve();
  }

  skip(): void {
    this.#forwarder?.skip();
  }

  togglePause(): void {
    const { screen } = this.#options;
    if (this.#paused === null) {
      this.#paused = Promise.withResolvers();
      screen.note('paused; p goes on, and nothing is lost meanwhile');
    } else {
      this.#paused.resolve();
      this.#paused = null;
      screen.note('going on');
    }
  }

  /** Brings the last event once more. */
  replayLast(): void {
    const event = this.#last;
    const { screen } = this.#options;
    if (event === null) screen.note('nothing has come yet; --replay-last N begins with past events');
    else {
      void this.#inTurn(() => this.#bring(event)).catch((error: unknown) => {
        if (!this.#quit.signal.aborted) screen.note(error instanceof Error ? error.message : String(error));
      });
    }
  }

  /** Says where the last event can be looked at. */
  inspectLast(): void {
    const { screen, api } = this.#options;
    if (this.#last === null) {
      screen.note('nothing has come yet');
      return;
    }
    const { id } = this.#last;
    screen.note(`what happened to it:  ${cliName()} why ${id}`);
    screen.note(`headers and body:     ${cliName()} events get ${id}`);
    screen.note(`the body, raw:        ${api.connection.url}/v1/events/${id}/raw`);
  }

  /** From now on only what fits; empty = all again. A mistake is told and changes nothing. */
  async changeFilter(text: string): Promise<void> {
    const { api, screen } = this.#options;
    const filter = text.trim();
    if (filter !== '') {
      const body = { filter, sample: {} };
      const answer = recordOf(await api.call('POST', '/v1/filters/test', { body }));
      if (answer['valid'] !== true) {
        screen.note(
          `${printable(textOf(answer['error'], 'message') ?? 'the filter cannot be used')}; unchanged`,
        );
        return;
      }
    }
    this.#filter = filter === '' ? null : filter;
    screen.note(filter === '' ? 'no filter: everything comes again' : `only what fits: ${printable(filter)}`);
    this.#round.abort();
  }

  async #follow(last: number): Promise<void> {
    const { api, sources, type, silenceLimitMs, told } = this.#options;
    const signal = AbortSignal.any([this.#quit.signal, this.#round.signal]);
    const heartbeatS = Math.min(Math.max(Math.floor(silenceLimitMs / 3_000), 1), 60);
    const query = {
      include: 'request',
      heartbeat: `${heartbeatS}s`,
      ...(sources.length === 0 ? {} : { source: sources }),
      ...(type === null ? {} : { type }),
      ...(this.#filter === null ? {} : { filter: this.#filter }),
    };
    const opening = last === 0 ? {} : { last: String(last) };
    const options = { query, opening, place: this.#place, silenceLimitMs, signal, told };
    for await (const item of followStream(api, options)) {
      await this.#paused?.promise;
      if (signal.aborted) return;
      await this.#inTurn(() => this.#take(item));
    }
    // A replay may still be under way.
    await this.#turn;
  }

  async #take(item: Followed): Promise<void> {
    const { cursor, json, screen } = this.#options;
    if (item.kind === 'gap') {
      screen.note(gapText(item.data));
      if (json) screen.line(asJson({ outcome: 'gap', ...item.data }));
      return;
    }
    if (item.kind === 'event') {
      const event = broughtEvent(item.data);
      this.#last = event;
      try {
        await this.#bring(event);
      } catch (error) {
        if (this.#quit.signal.aborted) return;
        throw error;
      }
    }
    this.#place = item.place;
    cursor.save(item.place);
  }

  async #bring(event: BroughtEvent): Promise<void> {
    if (this.#forwarder === null) this.#options.lines.shown(event);
    else await this.#forwarder.bring(event, this.#quit.signal, this.#abort.signal);
  }

  /** Large bodies are fetched; a gateway that is away for a moment is waited for. */
  async #body(event: BroughtEvent, signal: AbortSignal): Promise<Buffer> {
    const { api, screen } = this.#options;
    for (let failures = 0; ; failures += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- again only after a failure
        return await bodyOf(event, api, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ProblemFailure && error.status < 500 && error.status !== 429) throw error;
        const why = error instanceof CliFailure || error instanceof Error ? error.message : String(error);
        if (failures === 0) {
          screen.note(
            paint(
              'yellow',
              `the body of ${event.id} cannot be fetched (${printable(why)}); trying again`,
              process.stderr,
            ),
          );
        }
        // oxlint-disable-next-line no-await-in-loop
        await delay(BODY_AGAIN_MS, undefined, { signal });
      }
    }
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
