import { isRecord } from '../domain/json-record.ts';
import type { Event } from '../domain/event.ts';
import { REDACTED, redact, type Redacted, without } from '../domain/redaction.ts';
import type { Attempt } from '../domain/delivery.ts';
import type { Directory } from './directory.ts';
import { parseJson } from './expression-input.ts';
import type { Services } from './services.ts';

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const NOTHING: ReadonlySet<string> = new Set();

/** An event as it may be shown, with how to take out of other texts what was taken out of it. */
export interface Shown<Of> {
  readonly event: Of;
  readonly hide: (text: string) => string;
}

/**
 * What people and programs see of events, where rules say that some of it is not to be seen: rules of the
 * source, and of the whole gateway. What is delivered and what filters work on is untouched.
 *
 * A body that is not of a form in which fields have names is hidden whole: better too little than a value
 * that the rules meant.
 */
export class Redactions {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #everywhere: readonly string[];

  constructor(services: Services, directory: Directory, everywhere: readonly string[]) {
    this.#services = services;
    this.#directory = directory;
    this.#everywhere = everywhere;
  }

  /** The rules for events of a source, also of one that is gone; `null` = published events. */
  async rulesFor(sourceId: string | null): Promise<readonly string[]> {
    if (sourceId === null) return this.#everywhere;
    const source = this.#directory.get('source', sourceId) ?? (await this.#lastOf(sourceId));
    const own = source?.redact ?? [];
    return own.length === 0 ? this.#everywhere : [...this.#everywhere, ...own];
  }

  /** The event as it may be shown. */
  async shown<Of extends Event>(event: Of): Promise<Shown<Of>> {
    const rules = await this.rulesFor(event.sourceId);
    if (rules.length === 0) return { event, hide: (text) => text };
    const { body, removed } = redactBody(event.body, event.contentType, rules);
    const hide = (text: string): string => {
      if (removed !== null) return without(text, removed);
      return text === '' ? text : REDACTED;
    };
    const hideOrNull = (text: string | null): string | null => (text === null ? null : hide(text));
    const { origin } = event;
    return {
      hide,
      event: {
        ...event,
        body,
        key: hideOrNull(event.key),
        subject: hideOrNull(event.subject),
        externalId: hideOrNull(event.externalId),
        origin: {
          ...origin,
          path: hide(origin.path),
          dedupeKey: hideOrNull(origin.dedupeKey),
          ...(origin.invalid === undefined ? {} : { invalid: hide(origin.invalid) }),
        },
      },
    };
  }

  /** The start of a refused body as it may be shown: what was cut off in the middle cannot be read by name. */
  async shownBody(
    sourceId: string | null,
    body: Uint8Array,
    contentType: string | null,
  ): Promise<Uint8Array> {
    const rules = await this.rulesFor(sourceId);
    return rules.length === 0 ? body : redactBody(body, contentType, rules).body;
  }

  async #lastOf(sourceId: string) {
    const versions = await this.#services.store.settings.history('source', sourceId, 2);
    return versions.find(({ setting }) => setting !== null)?.setting;
  }
}

/** An attempt as it may be shown: receivers like to say what they were sent. */
export function shownAttempt(attempt: Attempt, hide: (text: string) => string): Attempt {
  return { ...attempt, responseBody: hide(attempt.responseBody) };
}

/** `removed`: what was taken out; `null` = all of it, and nobody knows what that was. */
interface RedactedBody {
  readonly body: Uint8Array;
  readonly removed: ReadonlySet<string> | null;
}

function redactBody(body: Uint8Array, contentType: string | null, rules: readonly string[]): RedactedBody {
  if (body.byteLength === 0) return { body, removed: NOTHING };
  const text = DECODER.decode(body);
  const json = parseJson(body);
  if (json !== null || text.trim() === 'null') {
    const { value, removed } = redact(json, rules);
    return { body: ENCODER.encode(JSON.stringify(value)), removed };
  }
  if (/^application\/x-www-form-urlencoded/i.test(contentType ?? '')) return redactForm(text, rules);
  return { body: ENCODER.encode(REDACTED), removed: null };
}

/** A form's fields by name; a field that holds JSON (Slack's `payload`) as what it holds. */
function redactForm(text: string, rules: readonly string[]): RedactedBody {
  const removed = new Set<string>();
  const shown = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(text)) {
    const inner = parseJson(ENCODER.encode(value));
    const isDocument = typeof inner === 'object' && inner !== null;
    // A document in a field is a payload of its own, so pointers are also read from its root.
    const document: Redacted | null = isDocument ? redact(inner, rules) : null;
    const whole: Redacted = redact({ [name]: document === null ? value : document.value }, rules);
    for (const one of [...whole.removed, ...(document?.removed ?? [])]) removed.add(one);
    const left = isRecord(whole.value) ? whole.value[name] : REDACTED;
    shown.append(name, typeof left === 'string' ? left : JSON.stringify(left));
  }
  return { body: ENCODER.encode(shown.toString()), removed };
}
