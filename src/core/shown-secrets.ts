/** What is kept of a request beside its body. */
interface Shown {
  readonly headers: readonly string[];
  readonly path: string;
}

/** Takes a source's own secrets out of what is kept of a request. */
export type HideSecrets = <Request extends Shown>(request: Request) => Request;

const HIDDEN = '(hidden)';
const ENCODER = new TextEncoder();

/**
 * For senders that prove themselves by showing the secret: a token, a password. Kept with the event, it
 * would be in the store in the clear and in every answer that shows the event. Nothing is lost by it:
 * unlike a signature it proves nothing a second time.
 *
 * Whole values only: a header's value or what follows its scheme (`Bearer`), a query parameter, a
 * segment of the path. So a short secret does not blot out half of a request.
 */
export function hideSecrets(secrets: readonly string[]): HideSecrets {
  if (secrets.length === 0) return (request) => request;
  const forms = new Set(secrets.flatMap((secret) => [secret, base64(secret)]));
  const value = (text: string): string => {
    const space = text.lastIndexOf(' ') + 1;
    if (forms.has(text)) return HIDDEN;
    // A secret may hold spaces itself, so what follows the first one counts too.
    const first = text.indexOf(' ') + 1;
    for (const at of [first, space])
      if (at > 0 && forms.has(text.slice(at))) return text.slice(0, at) + HIDDEN;
    return text;
  };
  const part = (text: string): string => (forms.has(decoded(text)) ? HIDDEN : text);
  return (request) => ({
    ...request,
    headers: request.headers.map((text, index) => (index % 2 === 0 ? text : value(text))),
    // The separators are kept by the capture, so that the rest stays as it was.
    path: request.path
      .split(/([/?&=#])/)
      .map((text) => part(text))
      .join(''),
  });
}

function base64(text: string): string {
  return btoa(String.fromCodePoint(...ENCODER.encode(text)));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
