import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { type GivenProof, requestInspector, type RequestInspector } from '../../app/inspect-request.ts';
import { Problem } from '../../domain/problem.ts';
import type { ApiClient } from '../api-client.ts';
import { cliName } from '../cli-name.ts';
import { addConnectionOptions, connect, type CommandFlags } from '../connect.ts';
import { durationOption } from '../duration-option.ts';
import { readSecret } from '../field-values.ts';
import { followStream } from '../follow-stream.ts';
import {
  type JsonRecord,
  numberOf,
  parseJson,
  isRecord,
  recordOf,
  recordsOf,
  textOf,
  textsOf,
} from '../json-value.ts';
import { broughtEvent } from '../listen/brought-event.ts';
import type { Screen } from '../listen/forward-lines.ts';
import { paint, printable, printNote, printText, usageFailure } from '../output.ts';
import { gapText, toldInNotes } from '../tail-command.ts';
import { BinLines, type BinRequest } from './bin-lines.ts';

interface BinFlags {
  readonly ttl: number;
  readonly keep?: boolean;
  readonly provider?: string;
  readonly secret?: string;
  readonly config?: string;
  readonly tenant?: string;
  readonly maxBodyBytes?: string;
  readonly reveal?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ ringback bin
  $ ringback bin --provider stripe --secret @stripe-secret

The source takes everything, from anybody who knows its URL. What --provider and --secret say is checked
here, beside it: the secret is not sent to the gateway. The source is removed at the end; should this
command not get to it, the gateway removes it when --ttl has passed.`;

/** `bin`: a throw-away source that shows what comes in. */
export function addBinCommand(program: Command): void {
  const command = program
    .command('bin')
    .summary('a throw-away source that shows each request live, and what the verifiers think of it')
    .description(
      'Make a throw-away source and show each request to it: headers, body, and who seems to have sent it.',
    )
    .option('--provider <id>', 'check each request as this provider signs')
    .option('--secret <secret>', 'to check with; @file or - keeps it out of the shell history')
    .option('--config <json>', "the provider's public fields, such as a public key")
    .option(
      '--ttl <duration>',
      'the gateway removes the source after this',
      durationOption('1m', '30d'),
      86_400_000,
    )
    .option('--keep', 'leave the source when this ends, until --ttl')
    .option('--max-body-bytes <size>', 'largest body that it takes')
    .option('--tenant <tenant>', 'whose source it is; only for keys that are not bound to a tenant')
    .option('--reveal', 'show credentials in headers whole');
  addConnectionOptions(command, { hasOwnUrl: false });
  command.addHelpText('after', EXAMPLES);
  command.action(async () => {
    const flags: CommandFlags & BinFlags = command.opts();
    await bin(connect(command), flags, { line: printText, note: printNote });
  });
}

const SILENCE_LIMIT_MS = 45_000;
const REJECTIONS_EVERY_MS = 1_000;

async function bin(api: ApiClient, flags: BinFlags, screen: Screen): Promise<void> {
  const given = givenProof(flags);
  const inspector = inspectorFor(given);
  const expiresAt = new Date(Date.now() + flags.ttl).toISOString();
  const source = recordOf(
    await api.call('POST', '/v1/sources', {
      body: {
        name: `bin-${randomBytes(4).toString('hex')}`,
        provider: 'none',
        expires_at: expiresAt,
        // The same request twice is shown twice.
        dedupe: { key: 'event.id' },
        ...(flags.tenant === undefined ? {} : { tenant: flags.tenant }),
        ...(flags.maxBodyBytes === undefined ? {} : { max_body_bytes: sizeValue(flags.maxBodyBytes) }),
      },
    }),
  );
  const quit = new AbortController();
  const onSignal = (): void => quit.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const lines = new BinLines(screen, {
    json: flags.json === true,
    reveal: flags.reveal === true,
    provider: given?.provider ?? null,
    hasSecret: given !== null && given.secrets.length > 0,
  });
  try {
    const bench = { api, source, inspector, lines, screen, signal: quit.signal };
    await Promise.all([showEvents(bench), showRejections(bench)]);
  } finally {
    quit.abort();
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    await end(api, source, flags, screen);
  }
}

interface Bench {
  readonly api: ApiClient;
  readonly source: JsonRecord;
  readonly inspector: RequestInspector;
  readonly lines: BinLines;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

async function showEvents({ api, source, inspector, lines, screen, signal }: Bench): Promise<void> {
  const url = textOf(source, 'url') ?? '';
  const id = textOf(source, 'id') ?? '';
  const until = textOf(source, 'expires_at') ?? '';
  const told = toldInNotes(
    `send anything to ${paint('bold', printable(url), process.stderr)}\n` +
      `shown here as it comes; Ctrl-C removes the source "${textOf(source, 'name')}", and ${printable(until)} does`,
  );
  const query = { source: id, include: 'request' };
  const options = { query, place: '', silenceLimitMs: SILENCE_LIMIT_MS, signal, told };
  for await (const item of followStream(api, options)) {
    if (item.kind === 'gap') screen.note(gapText(item.data));
    if (item.kind !== 'event' || textOf(item.data, 'source_id') !== id) continue;
    const event = broughtEvent(item.data);
    const at = textOf(item.data, 'received_at') ?? '';
    const body = event.body ?? (await wholeBody(api, event.id, signal));
    const shown = { ...event, body, at, remoteAddress: textOf(item.data, 'remote_address'), refusal: null };
    lines.show(requestOf(shown), await inspect(inspector, url, shown));
  }
}

/** The newest come first: those that were not shown yet, oldest first. */
async function showRejections({ api, source, inspector, lines, signal }: Bench): Promise<void> {
  const url = textOf(source, 'url') ?? '';
  const shown = new Set<string>();
  while (!signal.aborted) {
    // oxlint-disable-next-line no-await-in-loop -- a look each second
    await delay(REJECTIONS_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    // oxlint-disable-next-line no-await-in-loop
    const fresh = await newRejections(api, textOf(source, 'id') ?? '', shown);
    for (const id of fresh) {
      // oxlint-disable-next-line no-await-in-loop
      const rejection = await api.call('GET', `/v1/rejections/${id}`).catch(() => null);
      if (rejection === null) continue;
      const request = rejectedRequest(recordOf(rejection));
      // oxlint-disable-next-line no-await-in-loop
      lines.show(request, await inspect(inspector, url, request));
    }
  }
}

/** A gateway that is away for a moment is the stream's to tell of. */
async function newRejections(api: ApiClient, sourceId: string, shown: Set<string>): Promise<string[]> {
  const query = { source: sourceId, limit: '100' };
  const page = await api.call('GET', '/v1/rejections', { query }).catch(() => null);
  const ids = recordsOf(recordOf(page)['data']).map((one) => textOf(one, 'id') ?? '');
  const fresh = ids.filter((id) => !shown.has(id)).toReversed();
  for (const id of fresh) shown.add(id);
  return fresh;
}

function rejectedRequest(rejection: JsonRecord): BinRequest {
  const text = textOf(rejection, 'body') ?? '';
  const encoding = textOf(rejection, 'body_encoding') === 'base64' ? 'base64' : 'utf8';
  const pairs = Array.isArray(rejection['headers']) ? rejection['headers'] : [];
  return {
    id: textOf(rejection, 'id') ?? '',
    at: textOf(rejection, 'at') ?? '',
    method: textOf(rejection, 'method') ?? '',
    path: textOf(rejection, 'path') ?? '',
    headers: pairs.flatMap((pair) => textsOf(pair)),
    body: Buffer.from(text, encoding),
    bodyBytes: numberOf(rejection, 'body_bytes') ?? 0,
    remoteAddress: textOf(rejection, 'remote_address'),
    refusal: { code: textOf(rejection, 'code') ?? '', reason: textOf(rejection, 'reason') ?? '' },
  };
}

function requestOf({
  id,
  at,
  method,
  path,
  headers,
  body,
  bodyBytes,
  remoteAddress,
  refusal,
}: BinRequest): BinRequest {
  return { id, at, method, path, headers, body, bodyBytes, remoteAddress, refusal };
}

/** What a refused request still has of its body cannot be proven; its headers tell who it was. */
function inspect(inspector: RequestInspector, url: string, request: BinRequest) {
  return inspector.inspect({
    method: request.method,
    url: url + request.path,
    headers: request.headers,
    body: request.body ?? new Uint8Array(0),
    nowMs: Date.parse(request.at),
  });
}

async function wholeBody(api: ApiClient, id: string, signal: AbortSignal): Promise<Buffer | null> {
  try {
    const response = await api.open(`/v1/events/${id}/raw`, { method: 'GET', headers: {}, signal });
    return Buffer.from(await response.arrayBuffer());
  } catch {
    return null;
  }
}

async function end(api: ApiClient, source: JsonRecord, flags: BinFlags, screen: Screen): Promise<void> {
  const id = textOf(source, 'id') ?? '';
  const until = printable(textOf(source, 'expires_at') ?? '');
  if (flags.keep === true) {
    screen.note(`the source stays until ${until}; to remove it: ${cliName()} sources delete ${id}`);
    return;
  }
  try {
    await api.call('DELETE', `/v1/sources/${id}`);
    screen.note('the source is removed; its events stay until their retention ends');
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    screen.note(`the source could not be removed (${printable(why)}); the gateway does it at ${until}`);
  }
}

function givenProof(flags: BinFlags): GivenProof | null {
  const { provider, secret, config } = flags;
  if (provider === undefined) {
    if (secret === undefined && config === undefined) return null;
    throw usageFailure('--secret and --config are of a provider', ['say which: --provider ID']);
  }
  const parsed = config === undefined ? { value: {} } : parseJson(config);
  if (!('value' in parsed) || !isRecord(parsed.value)) {
    throw usageFailure('--config must be a JSON object, such as {"public_key":"..."}');
  }
  const secrets = secret === undefined ? [] : [readSecret(secret, '--secret')];
  return { provider, secrets, config: parsed.value };
}

function inspectorFor(given: GivenProof | null): RequestInspector {
  try {
    return requestInspector(given);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw usageFailure(
      `--provider ${printable(given?.provider ?? '')} cannot be checked: ${printable(error.message)}`,
      error.errors.map(({ pointer, message }) => printable(`${pointer}: ${message}`)),
    );
  }
}

function sizeValue(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}
