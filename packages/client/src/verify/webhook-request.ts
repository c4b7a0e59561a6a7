import { RequestView } from './request-view.ts';

/** A received webhook request. `body` must be the raw bytes: re-serialised JSON does not verify. */
export interface WebhookRequest {
  readonly method: string;
  /** The full public URL that the sender called; some senders sign it. */
  readonly url: string;
  /**
   * Pairs show repeated headers, which a sender never sends by itself. A `Headers` object joins
   * them, so that a repeat can only be seen as a malformed value.
   */
  readonly headers:
    Iterable<readonly [string, string]> | Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** The request in the form that the interpreter reads. */
export function viewOfRequest(request: WebhookRequest, now: Date): RequestView {
  const { method, url, body } = request;
  return new RequestView(method, url, flatHeaders(request.headers), body, now.getTime());
}

function flatHeaders(headers: WebhookRequest['headers']): string[] {
  if (isIterable(headers)) return [...headers].flat();
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((each: string | undefined) =>
      each === undefined ? [] : [name, each],
    ),
  );
}

function isIterable(headers: WebhookRequest['headers']): headers is Iterable<readonly [string, string]> {
  return Symbol.iterator in headers;
}
