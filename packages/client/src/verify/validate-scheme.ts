import { templateMistakes } from './content-template.ts';
import { isRecord, referenceKinds, splitReference } from './reference.ts';
import type { Scheme } from './scheme.ts';

/** A mistake in a user's scheme: where, and what to write instead. */
export interface SchemeError {
  readonly pointer: string;
  readonly message: string;
}

/** A valid scheme, or every mistake in it. */
export type SchemeValidation =
  | { readonly ok: true; readonly scheme: Scheme }
  | { readonly ok: false; readonly errors: readonly SchemeError[] };

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown, pointer: string, report: Report) => void;
type Report = (pointer: string, message: string) => void;

function text(value: unknown, pointer: string, report: Report): void {
  if (typeof value !== 'string' || value === '') report(pointer, 'must be a text that is not empty');
}

function flag(value: unknown, pointer: string, report: Report): void {
  if (typeof value !== 'boolean') report(pointer, 'must be true or false');
}

function oneOf(...allowed: readonly string[]): Check {
  return (value, pointer, report) => {
    if (!allowed.some((each) => each === value)) report(pointer, `must be one of ${allowed.join(', ')}`);
  };
}

function listOf(check: Check): Check {
  return (value, pointer, report) => {
    if (!Array.isArray(value) || value.length === 0)
      report(pointer, 'must be a list with at least one entry');
    else value.forEach((each, index) => check(each, `${pointer}/${index}`, report));
  };
}

function seconds(value: unknown, pointer: string, report: Report): void {
  if (value === null) return;
  if (typeof value !== 'number' || !(value >= 0)) {
    report(pointer, 'must be a number of seconds, or null for no limit');
  }
}

function reference(value: unknown, pointer: string, report: Report): void {
  if (typeof value === 'string' && splitReference(value) !== undefined) return;
  report(
    pointer,
    `must name a value of the request: ${referenceKinds.map((kind) => `${kind}:...`).join(', ')}; for example h:x-timestamp`,
  );
}

function content(value: unknown, pointer: string, report: Report): void {
  if (typeof value !== 'string' || value === '') {
    report(pointer, 'must be the text that is signed, such as "{body}" or "{ts}.{body}"');
    return;
  }
  for (const mistake of templateMistakes(value)) report(pointer, mistake);
}

function object(fields: Record<string, Check>, required: readonly string[]): Check {
  return (value, pointer, report) => {
    if (!isRecord(value)) {
      report(
        pointer,
        `must be an object with ${required.length === 0 ? Object.keys(fields).join(', ') : required.join(', ')}`,
      );
      return;
    }
    const given = value;
    for (const name of required) {
      if (given[name] === undefined) report(`${pointer}/${name}`, `is missing: set ${name}`);
    }
    for (const [name, each] of Object.entries(given)) {
      const check = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (check === undefined) {
        report(`${pointer}/${name}`, `is not known here: use ${Object.keys(fields).join(', ')}`);
      } else if (each !== undefined) check(each, `${pointer}/${name}`, report);
    }
  };
}

const encoding = oneOf('hex', 'base64', 'base64url');
const covers = oneOf('body', 'metadata', 'nothing');

const keyRule = object(
  {
    decode: oneOf('utf8', 'hex', 'base64', 'base64-if-prefixed'),
    strip: listOf(text),
    suffix: text,
    normalize: oneOf('NFKD'),
    derive: oneOf('sha1'),
  },
  [],
);

const places = ['header', 'headers', 'query', 'form', 'json', 'formJson'];
const signatureFields = object(
  {
    header: text,
    headers: listOf(text),
    query: text,
    form: text,
    json: text,
    formJson: text,
    enc: encoding,
    prefix: text,
    list: text,
    kv: text,
    pick: text,
    pickConfig: text,
    positional: flag,
    groups: text,
    signatureFirst: flag,
    repeatable: flag,
  },
  [],
);

function signaturePlace(value: unknown, pointer: string, report: Report): void {
  signatureFields(value, pointer, report);
  if (!isRecord(value)) return;
  const given = value;
  const set = places.filter((place) => given[place] !== undefined);
  if (set.length !== 1) {
    report(pointer, `set exactly one of ${places.join(', ')}: where the signature is`);
  }
  if (given['kv'] !== undefined && given['list'] === undefined) {
    report(`${pointer}/list`, 'is missing: the separator of the labelled entries, such as ","');
  }
  const labelled = given['pick'] !== undefined || given['pickConfig'] !== undefined;
  if ((given['kv'] !== undefined) !== labelled) {
    report(`${pointer}/pick`, 'kv and pick go together: kv "=" and pick "v1" read "t=1,v1=abc"');
  }
}

const timestamp = object(
  { from: reference, unit: oneOf('s', 'ms', 'iso', 'http-date'), past: seconds, future: seconds },
  ['from', 'unit'],
);
const requirement = object(
  { ref: reference, equals: text, reason: oneOf('alg_not_allowed', 'bad_credentials', 'bad_claim') },
  ['ref', 'equals', 'reason'],
);
const signed = {
  sig: signaturePlace,
  content,
  ts: timestamp,
  id: reference,
  require: listOf(requirement),
  covers,
};

const publicKeySource = object(
  {
    from: oneOf('publicKey'),
    format: oneOf('pem', 'spki-der-base64', 'raw-hex', 'raw-base64'),
    strip: listOf(text),
  },
  ['from', 'format'],
);

function tokenPlace(value: unknown, pointer: string, report: Report): void {
  if (value === 'basic' || value === 'bearer') return;
  if (typeof value === 'string' && /^(?:h|q|form|json):./.test(value)) return;
  report(
    pointer,
    'must be basic, bearer, or where the token is: h:HEADER, q:PARAMETER, form:FIELD, json:PATH',
  );
}

const kinds: Record<string, Check> = {
  mac: object(
    {
      ...signed,
      kind: oneOf('mac'),
      alg: oneOf('hmac-sha256', 'hmac-sha1', 'hmac-sha512', 'hmac-md5'),
      key: keyRule,
    },
    ['alg', 'sig', 'content'],
  ),
  digest: object({ ...signed, kind: oneOf('digest'), alg: oneOf('sha256', 'sha1', 'md5') }, [
    'alg',
    'sig',
    'content',
  ]),
  signature: object(
    {
      ...signed,
      kind: oneOf('signature'),
      alg: oneOf('ed25519', 'ecdsa-p256-sha256', 'ecdsa-p256-sha1', 'rsa-sha256', 'rsa-sha1'),
      key: publicKeySource,
    },
    ['alg', 'key', 'sig', 'content'],
  ),
  token: object({ kind: oneOf('token'), from: tokenPlace, covers }, ['from']),
  none: object({ kind: oneOf('none') }, []),
};

/**
 * Checks a scheme that a user wrote, and completes it: `kind` may be absent for the common `mac`.
 * Reports every mistake at once, each with a JSON pointer into the scheme and the fix.
 */
export function validateScheme(value: unknown): SchemeValidation {
  const errors: SchemeError[] = [];
  const report: Report = (pointer, message) => errors.push({ pointer, message });
  if (!isRecord(value)) {
    report(
      '',
      'must be an object such as { alg: hmac-sha256, sig: { header: x-signature }, content: "{body}" }',
    );
    return { ok: false, errors };
  }
  const fields = value;
  const kind = fields['kind'] ?? 'mac';
  const check = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (check === undefined) {
    report('/kind', `must be one of ${Object.keys(kinds).join(', ')}`);
    return { ok: false, errors };
  }
  check(value, '', report);
  checkTogether(fields, kind, report);
  const scheme: unknown = { ...structuredClone(fields), kind };
  return isScheme(scheme, errors) ? { ok: true, scheme } : { ok: false, errors };
}

function isTimestampSigned(template: string, rule: unknown): boolean {
  const from = isRecord(rule) ? rule['from'] : undefined;
  if (typeof from !== 'string') return true;
  const isInBody = /^(?:json|form|fj):/.test(from) && /\{body[|}]/.test(template);
  return isInBody || template.includes('{ts}') || template.includes(`{${from}}`);
}

// Everything that the interpreter reads was checked: no mistake means that it is a scheme.
function isScheme(_value: unknown, errors: readonly SchemeError[]): _value is Scheme {
  return errors.length === 0;
}

// Rules that join two fields, which no field can check alone.
function checkTogether(fields: Fields, kind: unknown, report: Report): void {
  const template = fields['content'];
  if (typeof template !== 'string') return;
  if (template.includes('{ts}') && fields['ts'] === undefined) {
    report(
      '/ts',
      'is missing: the content uses {ts}, so say where it is, such as { from: h:x-timestamp, unit: s }',
    );
  }
  if (fields['ts'] !== undefined && !isTimestampSigned(template, fields['ts'])) {
    report('/content', 'does not include {ts}: a timestamp that is not signed can be changed by anybody');
  }
  if (template.includes('{id}') && fields['id'] === undefined) {
    report('/id', 'is missing: the content uses {id}, so say where it is, such as h:x-id');
  }
  if (kind === 'digest' && !template.includes('{secret}')) {
    report('/content', 'a plain hash proves nothing unless the content includes {secret}');
  }
}
