import type { Inspection } from '../../app/inspect-request.ts';
import { shortened, sizeText } from '../format.ts';
import { asJson, paint, printable } from '../output.ts';
import { requestText, type ShownRequest } from '../request-text.ts';
import type { Screen } from '../listen/forward-lines.ts';

/** A request that came to the throw-away source, kept as an event or refused. */
export interface BinRequest extends ShownRequest {
  readonly at: string;
  /** Of the event or of the rejection. */
  readonly id: string;
  readonly remoteAddress: string | null;
  /** Why it was refused; `null` = it was kept. */
  readonly refusal: { readonly code: string; readonly reason: string } | null;
}

export interface BinLinesOptions {
  readonly json: boolean;
  readonly reveal: boolean;
  /** The provider that was named, if any. */
  readonly provider: string | null;
  readonly hasSecret: boolean;
}

const NAMED_AT_MOST = 5;

/** Each request as it comes: what it was, what it carried, what the verifiers think. */
export class BinLines {
  readonly #screen: Screen;
  readonly #options: BinLinesOptions;
  count = 0;

  constructor(screen: Screen, options: BinLinesOptions) {
    this.#screen = screen;
    this.#options = options;
  }

  show(request: BinRequest, inspection: Inspection): void {
    this.count += 1;
    if (this.#options.json) {
      this.#screen.line(asJson(jsonView(request, inspection)));
      return;
    }
    const outcome =
      request.refusal === null
        ? paint('green', 'kept')
        : paint('red', `refused: ${printable(request.refusal.code)} (${printable(request.refusal.reason)})`);
    const from = request.remoteAddress === null ? '' : `  from ${printable(request.remoteAddress)}`;
    const time = paint('dim', new Date(request.at).toLocaleTimeString('en-GB'));
    this.#screen.line(`${time}  ${printable(request.id)}${from}  ${sizeText(request.bodyBytes)}  ${outcome}`);
    this.#screen.line(requestText(request, { reveal: this.#options.reveal }));
    for (const line of this.#verdictLines(inspection)) this.#screen.line(`    ${line}`);
    this.#screen.line('');
  }

  #verdictLines({ looksLike, handshakeOf, verdict }: Inspection): string[] {
    const lines = ['', `${paint('bold', 'looks like')}  ${alike(looksLike)}`];
    if (handshakeOf.length > 0) {
      lines.push(
        `${paint('bold', 'handshake')}   this may ask whether the URL is ours, as ${alike(handshakeOf)} does; ` +
          'a source of such a provider answers it',
      );
    }
    const provider = printable(this.#options.provider ?? '');
    if (verdict === null) {
      if (looksLike.length > 0) {
        lines.push(
          `${paint('bold', 'verifies')}    not asked; --provider ${printable(looksLike[0] ?? 'ID')} --secret SECRET does`,
        );
      }
    } else if (verdict.ok) {
      const { type, id } = verdict.event;
      const named = [
        ...(type === undefined ? [] : [`type ${shortened(type, 80)}`]),
        ...(id === undefined ? [] : [`id ${shortened(id, 80)}`]),
      ].join(', ');
      lines.push(
        `${paint('bold', 'verifies')}    ${paint('green', 'yes')}, as ${provider}; the proof covers: ${verdict.covers}`,
      );
      if (named !== '') lines.push(`${paint('bold', 'event')}       ${named}`);
    } else {
      const why = `${printable(verdict.reason.replaceAll('_', ' '))} (${verdict.code})`;
      lines.push(`${paint('bold', 'verifies')}    ${paint('red', 'no')}, not as ${provider}: ${why}`);
      if (!this.#options.hasSecret) lines.push('            no --secret was given');
    }
    return lines;
  }
}

function alike(providers: readonly string[]): string {
  if (providers.length === 0) return 'no sender that is known by its signature';
  const named = providers.slice(0, NAMED_AT_MOST).map((one) => printable(one));
  const more = providers.length - named.length;
  return `${named.join(', ')}${more === 0 ? '' : ` or ${more} others that sign alike`}`;
}

function jsonView(request: BinRequest, { looksLike, handshakeOf, verdict }: Inspection): unknown {
  const { body, headers, bodyBytes, remoteAddress, refusal, ...rest } = request;
  const pairs = [];
  for (let index = 0; index + 1 < headers.length; index += 2)
    pairs.push([headers[index], headers[index + 1]]);
  return {
    outcome: refusal === null ? 'kept' : 'refused',
    ...rest,
    remote_address: remoteAddress,
    refusal,
    headers: pairs,
    body_bytes: bodyBytes,
    body: body === null ? null : Buffer.from(body).toString('base64'),
    looks_like: looksLike,
    handshake_of: handshakeOf,
    verdict:
      verdict === null
        ? null
        : verdict.ok
          ? { ok: true, covers: verdict.covers, event: verdict.event }
          : { ok: false, code: verdict.code, reason: verdict.reason },
  };
}
