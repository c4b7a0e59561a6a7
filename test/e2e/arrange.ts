import { vi } from 'vitest';
import type { ApiAnswer, GatewayProcess } from './gateway-process.ts';

export interface SourceView {
  readonly id: string;
  readonly url: string;
}

export interface DestinationView {
  readonly id: string;
  readonly secret: string;
  readonly state: string;
  readonly state_reason: string | null;
}

export interface AttemptView {
  readonly number: number;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly outcome: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly response_headers: readonly [string, string][];
  readonly response_body: string;
  readonly next_attempt_at: string | null;
}

export interface DeliveryView {
  readonly id: string;
  readonly event_id: string;
  readonly destination_id: string;
  readonly subscription_id: string | null;
  readonly state: string;
  readonly attempt_count: number;
  readonly reason: string | null;
  readonly replay_of: string | null;
  readonly replay_id: string | null;
  readonly attempts: readonly AttemptView[];
}

export interface EventView {
  readonly id: string;
  readonly type: string;
  readonly key: string | null;
  readonly source: string;
  readonly headers: readonly [string, string][];
  readonly path: string;
  readonly body: string;
  readonly body_encoding: string;
}

export interface ProblemView {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly request_id: string;
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
}

export interface RejectionView {
  readonly id: string;
  readonly source_id: string | null;
  readonly request_id: string;
  readonly code: string;
  readonly reason: string;
  readonly body_bytes: number;
}

export interface AcceptedView {
  readonly id: string;
  readonly duplicate: boolean;
  readonly deliveries: number;
}

export interface ListView<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}

/** The body of an answer that must be a success; throws what came instead. */
export async function ok<Body>(answer: Promise<ApiAnswer>): Promise<Body> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`the gateway answered ${status}: ${JSON.stringify(body)}`);
  return body as Body;
}

/** The body of an answer that must be this problem; throws what came instead. */
export async function problem(
  answer: Promise<ApiAnswer>,
  status: number,
  code: string,
): Promise<ProblemView> {
  const got = await answer;
  const body = got.body as ProblemView;
  const type = got.headers.get('content-type');
  const isProblem = type?.startsWith('application/problem+json') ?? false;
  if (got.status !== status || body.code !== code || !isProblem) {
    throw new Error(
      `expected ${status} ${code}, got ${got.status} (${String(type)}): ${JSON.stringify(got.body)}`,
    );
  }
  return body;
}

let made = 0;

/** Names must differ within a kind; a number of its own keeps tests apart. */
export function freshName(what: string): string {
  made += 1;
  return `${what}-${made}`;
}

type Fields = Readonly<Record<string, unknown>>;

export function createSource(gateway: GatewayProcess, fields: Fields): Promise<SourceView> {
  return ok(gateway.api('POST', '/v1/sources', { name: freshName('source'), ...fields }));
}

export function createDestination(gateway: GatewayProcess, fields: Fields): Promise<DestinationView> {
  return ok(gateway.api('POST', '/v1/destinations', { name: freshName('destination'), ...fields }));
}

export function subscribe(gateway: GatewayProcess, fields: Fields): Promise<{ readonly id: string }> {
  return ok(gateway.api('POST', '/v1/subscriptions', { name: freshName('subscription'), ...fields }));
}

export function publish(gateway: GatewayProcess, fields: Fields): Promise<AcceptedView> {
  return ok(gateway.api('POST', '/v1/events', { data: {}, ...fields }));
}

export async function deliveriesOf(
  gateway: GatewayProcess,
  eventId: string,
): Promise<readonly DeliveryView[]> {
  const { data } = await ok<ListView<DeliveryView>>(gateway.api('GET', `/v1/events/${eventId}/deliveries`));
  return data;
}

/** An event's only delivery, with its attempts, once `condition` holds for it. */
export function settled(
  gateway: GatewayProcess,
  eventId: string,
  condition: (delivery: DeliveryView) => boolean = ({ state }) => state !== 'pending' && state !== 'leased',
  limitMs = 10_000,
): Promise<DeliveryView> {
  return vi.waitFor(
    async () => {
      const [delivery] = await deliveriesOf(gateway, eventId);
      if (delivery === undefined) throw new Error(`event ${eventId} owes nothing`);
      const whole = await ok<DeliveryView>(gateway.api('GET', `/v1/deliveries/${delivery.id}`));
      if (!condition(whole)) throw new Error(`not settled: ${JSON.stringify(whole)}`);
      return whole;
    },
    { timeout: limitMs, interval: 25 },
  );
}

/** All items of a list, page by page. */
export async function everyPage<Item>(gateway: GatewayProcess, path: string, limit = 500): Promise<Item[]> {
  const items: Item[] = [];
  const joint = path.includes('?') ? '&' : '?';
  let cursor: string | null = null;
  do {
    const at: string = cursor === null ? '' : `&cursor=${cursor}`;
    // One page names the next.
    // oxlint-disable-next-line no-await-in-loop
    const page: ListView<Item> = await ok(gateway.api('GET', `${path}${joint}limit=${limit}${at}`));
    items.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

/** A POST to an ingest URL, with nothing added: `fetch` would, for a text, add a content type. */
export async function send(
  url: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiAnswer> {
  const response = await fetch(url, { method: 'POST', body: Buffer.from(body), headers });
  const text = await response.text();
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}
