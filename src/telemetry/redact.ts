const REDACTED = '[redacted]';

const SECRET_NAME =
  /secret|passw|token|authorization|cookie|credential|signature|(?:api|ingest|private|secret|source|admin)_?key/i;

// What Ringback's own keys and the common schemes look like, wherever they turn up.
const SECRET_TEXT =
  /\brb_[0-9A-Za-z]{40}\b|\bwhs(?:ec|k)_[\w+/=-]{16,}|\b(?:Bearer|Basic) [\w+/=.~-]{8,}|(?<=:\/\/[^\s/:@]*:)[^\s/@]+(?=@)|(?<=\/in\/)[\w-]{16,}/g;

// Most texts are ids and words: this answer costs a tenth of the search above.
const MAYBE_SECRET = /rb_|whs|Bearer|Basic|:\/\/|\/in\//;

const secretNames = new Map<string, boolean>();
const MAX_NAMES = 1_000;

/** Whether a field of this name is likely to hold a secret. Names are few, so the answer is kept. */
export function isSecretName(name: string): boolean {
  const known = secretNames.get(name);
  if (known !== undefined) return known;
  const secret = SECRET_NAME.test(name);
  if (secretNames.size < MAX_NAMES) secretNames.set(name, secret);
  return secret;
}

/**
 * A field's value without what looks like a secret. A safety net, not a permission: secrets and
 * bodies are not to be logged in the first place.
 */
export function redactField<Value>(name: string, value: Value): Value | string {
  if (value === null || value === undefined) return value;
  if (isSecretName(name)) return REDACTED;
  return typeof value === 'string' ? redactText(value) : value;
}

/** Whether a text needs a closer look. `false` also for texts in JSON: these characters are not escaped there. */
export function maybeSecret(text: string): boolean {
  return MAYBE_SECRET.test(text);
}

export function redactText(text: string): string {
  return maybeSecret(text) ? text.replaceAll(SECRET_TEXT, REDACTED) : text;
}
