import type { Source } from '../domain/settings.ts';
import type { Directory } from './directory.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { Services } from './services.ts';

/** How often it is looked who is late. */
const CHECK_EVERY_MS = 30_000;
/** After a start senders get this long to try again what they could not send while nobody listened. */
const GRACE_MS = 5 * 60_000;

interface Heard {
  lastAt: number;
  /** What the store knows of `lastAt`. */
  notedAt: number;
  /** Since when it has been told to be silent; `null` = it is not. */
  silentSince: number | null;
}

/**
 * Watches sources that say how often they bring something (`expect_every`), and tells once when one of
 * them is silent and once when it speaks again.
 *
 * An event costs a number in memory. What is on disk follows within half a minute, so after a crash a
 * source may be taken for silent that much too early; the node that notes it first tells, so that several
 * nodes tell once.
 */
export class SourceSilence {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #events: OperatorEvents;
  readonly #heard = new Map<string, Heard>();
  #startedAt = 0;
  #cancel: (() => void) | null = null;
  #checking: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(services: Services, directory: Directory, events: OperatorEvents) {
    this.#services = services;
    this.#directory = directory;
    this.#events = events;
  }

  /** Remembers what was known when the last process ended. */
  async start(): Promise<void> {
    this.#startedAt = this.#services.clock.now();
    await this.#read();
    this.#checkLater();
  }

  /** Writes down what was heard last. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel?.();
    await this.#checking;
    await this.#write();
  }

  /** The source has brought an event, or a repetition of one. */
  heard(source: Source, nowMs: number): void {
    if ((source.expectEveryMs ?? null) === null) return;
    const known = this.#heard.get(source.id);
    if (known === undefined) {
      this.#heard.set(source.id, { lastAt: nowMs, notedAt: 0, silentSince: null });
      return;
    }
    known.lastAt = nowMs;
    if (known.silentSince !== null) void this.#recovered(source, known, nowMs);
  }

  /** Since when a source is known to be silent, as it has been told; `null` = it is not. */
  silentSince({ id, expectEveryMs, enabled }: Source): number | null {
    if (!enabled || (expectEveryMs ?? null) === null) return null;
    return this.#heard.get(id)?.silentSince ?? null;
  }

  #watched(): Source[] {
    return this.#directory
      .list('source')
      .filter(({ enabled, expectEveryMs }) => enabled && (expectEveryMs ?? null) !== null);
  }

  #checkLater(): void {
    if (this.#stopping) return;
    this.#cancel = this.#services.clock.after(CHECK_EVERY_MS, () => {
      this.#checking = this.#check().then(() => this.#checkLater());
    });
  }

  async #check(): Promise<void> {
    try {
      const watched = this.#watched();
      if (watched.length === 0) return;
      await this.#write();
      // Other nodes hear sources too, and tell of them.
      await this.#read();
      const now = this.#services.clock.now();
      for (const source of watched) {
        const known = this.#heard.get(source.id);
        if (known !== undefined && known.silentSince !== null && known.lastAt > known.silentSince) {
          await this.#recovered(source, known, known.lastAt);
        } else if (this.#isLate(source, now)) await this.#silent(source, now);
      }
    } catch (error) {
      this.#services.log.error('source_silence.failed', {}, error);
    }
  }

  #isLate(source: Source, now: number): boolean {
    const limitMs = source.expectEveryMs ?? Number.POSITIVE_INFINITY;
    const known = this.#heard.get(source.id);
    if (known !== undefined && known.silentSince !== null) return false;
    // What was asked for a minute ago cannot be missed for longer than that.
    const since = Math.max(known?.lastAt ?? 0, source.expectedSince ?? source.createdAt);
    return now - since > limitMs && now - this.#startedAt > Math.min(limitMs, GRACE_MS);
  }

  async #silent(source: Source, now: number): Promise<void> {
    const { upkeep } = this.#services.store;
    const known = this.#heard.get(source.id);
    const lastAt = known?.lastAt ?? null;
    const since = lastAt ?? source.expectedSince ?? source.createdAt;
    // A source that never spoke has no note yet.
    await upkeep.noteSourceEvents([{ sourceId: source.id, lastEventAt: since }]);
    const isNews = await upkeep.noteSilent(source.id, since);
    this.#heard.set(source.id, { lastAt: since, notedAt: since, silentSince: since });
    if (!isNews) return;
    this.#events.tell('source.silent', source.tenant, source.id, {
      source_id: source.id,
      name: source.name,
      last_event_at: lastAt === null ? null : new Date(lastAt).toISOString(),
      silent_s: Math.round((now - since) / 1_000),
      expect_every_s: Math.round((source.expectEveryMs ?? 0) / 1_000),
    });
  }

  async #recovered(source: Source, known: Heard, nowMs: number): Promise<void> {
    const { silentSince } = known;
    known.silentSince = null;
    try {
      if (!(await this.#services.store.upkeep.noteSilent(source.id, null))) return;
      this.#events.tell('source.recovered', source.tenant, source.id, {
        source_id: source.id,
        name: source.name,
        silent_s: Math.round((nowMs - (silentSince ?? nowMs)) / 1_000),
      });
    } catch (error) {
      known.silentSince ??= silentSince;
      this.#services.log.error('source_silence.failed', { source_id: source.id }, error);
    }
  }

  async #read(): Promise<void> {
    for (const noted of await this.#services.store.upkeep.sourceActivity()) {
      const known = this.#heard.get(noted.sourceId);
      const lastAt = Math.max(noted.lastEventAt, known?.lastAt ?? 0);
      const { lastEventAt: notedAt, silentSince } = noted;
      this.#heard.set(noted.sourceId, { lastAt, notedAt, silentSince });
    }
  }

  async #write(): Promise<void> {
    const fresh = [...this.#heard].filter(([, { lastAt, notedAt }]) => lastAt > notedAt);
    if (fresh.length === 0) return;
    const notes = fresh.map(([sourceId, { lastAt }]) => ({ sourceId, lastEventAt: lastAt }));
    try {
      await this.#services.store.upkeep.noteSourceEvents(notes);
      for (const [index, [, heard]] of fresh.entries()) heard.notedAt = notes[index]?.lastEventAt ?? 0;
    } catch (error) {
      this.#services.log.error('source_silence.not_noted', { sources: notes.length }, error);
    }
  }
}
