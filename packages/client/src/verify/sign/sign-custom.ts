import { encodeBytes, fromUtf8, utf8 } from '../bytes.ts';
import { adyenContent } from '../custom/adyen.ts';
import { contentfulHead } from '../custom/contentful.ts';
import { plivoContent } from '../custom/plivo.ts';
import { snsContent } from '../custom/sns.ts';
import { sortedParameters } from '../custom/twilio.ts';
import type { Task } from '../operation.ts';
import { digest, hmac } from '../operation.ts';
import { VerifierSettingsError } from '../reasons.ts';
import { parsePath, plainText, valueAtPath } from '../reference.ts';
import type { CustomScheme, Encoding } from '../scheme.ts';
import type { Draft } from './draft.ts';
import { writtenInstant } from './sign-content.ts';
import type { SignInput } from './sign-input.ts';
import { faulty, signed, signingKey, signingSecret } from './signing-keys.ts';

type Sign = (draft: Draft, input: SignInput) => Task<void>;

function* hmacText(
  hash: 'sha1' | 'sha256',
  parts: readonly (string | Uint8Array)[],
  enc: Encoding,
  input: SignInput,
): Task<string> {
  return encodeBytes(faulty(yield* hmac(hash, signingSecret(input).bytes, parts), input), enc);
}

function* signAdyen(draft: Draft, input: SignInput): Task<void> {
  const { bytes } = signingSecret(input, { decode: 'hex' });
  const items = valueAtPath(draft.view().json()?.value, ['notificationItems']);
  for (let index = 0; index < (Array.isArray(items) ? items.length : 0); index++) {
    const at = `notificationItems[${index}].NotificationRequestItem`;
    const item = valueAtPath(draft.view().json()?.value, parsePath(at));
    const mac = faulty(yield* hmac('sha256', bytes, [adyenContent(item)]), input);
    const isMissing = input.fault === 'missing-header';
    draft.setJson(`${at}.additionalData.hmacSignature`, isMissing ? undefined : encodeBytes(mac, 'base64'));
  }
}

function* signTwilio(draft: Draft, input: SignInput): Task<void> {
  const view = draft.view();
  const isForm = (view.firstHeader('content-type') ?? '').includes('form-urlencoded');
  if (!isForm && draft.body.length > 0) {
    draft.setQuery('bodySHA256', encodeBytes(yield* digest('sha256', [draft.body]), 'hex'));
  }
  const content = draft.url + (isForm ? sortedParameters(view.form()) : '');
  if (input.fault === 'missing-header') return;
  draft.setHeader('x-twilio-signature', yield* hmacText('sha1', [content], 'base64', input));
}

function* signPlivo(draft: Draft, input: SignInput): Task<void> {
  const nonce = draft.header('x-plivo-signature-v3-nonce') ?? String(draft.nowMs);
  const view = draft.view();
  const content = plivoContent(draft.method, draft.url, view.query(), view.form(), nonce);
  draft.setHeader('x-plivo-signature-v3-nonce', nonce);
  if (input.fault === 'missing-header') return;
  draft.setHeader('x-plivo-signature-v3', yield* hmacText('sha256', [content], 'base64', input));
}

function* signContentful(draft: Draft, input: SignInput): Task<void> {
  const names = ['x-contentful-signed-headers', 'x-contentful-timestamp'];
  if (draft.header('x-contentful-topic') !== undefined) names.push('x-contentful-topic');
  draft.setHeader('x-contentful-signed-headers', names.join(','));
  draft.setHeader('x-contentful-timestamp', writtenInstant(draft.nowMs, 'ms'));
  const head = contentfulHead(draft.method, draft.url, names, (name) => draft.header(name));
  if (input.fault === 'missing-header') return;
  draft.setHeader('x-contentful-signature', yield* hmacText('sha256', [head, draft.body], 'hex', input));
}

function* signCoinbaseCdp(draft: Draft, input: SignInput): Task<void> {
  const id = draft.header('x-hook0-id') ?? crypto.randomUUID();
  draft.setHeader('x-hook0-id', id);
  const ts = writtenInstant(draft.nowMs, 's');
  const mac = yield* hmacText('sha256', [`${ts}.x-hook0-id.${id}.`, draft.body], 'hex', input);
  if (input.fault !== 'missing-header')
    draft.setHeader('x-hook0-signature', `t=${ts},h=x-hook0-id,v1=${mac}`);
}

function* signEbay(draft: Draft, input: SignInput): Task<void> {
  const signature = faulty(yield* signed('ecdsa-p256-sha1', signingKey(input), [draft.body]), input);
  const value = {
    alg: 'ECDSA',
    kid: input.keyId ?? 'key-1',
    signature: encodeBytes(signature, 'base64'),
    digest: 'SHA1',
  };
  if (input.fault === 'missing-header') return;
  draft.setHeader('x-ebay-signature', encodeBytes(utf8(JSON.stringify(value)), 'base64'));
}

function* signMailchannels(draft: Draft, input: SignInput): Task<void> {
  const ts = writtenInstant(draft.nowMs, 's');
  const contentDigest = `sha-256=:${encodeBytes(yield* digest('sha256', [draft.body]), 'base64')}:`;
  const params = `("content-digest");created=${ts};alg="ed25519";keyid="${input.keyId ?? 'key-1'}"`;
  const base = `"content-digest": ${contentDigest}\n"@signature-params": ${params}`;
  const signature = faulty(yield* signed('ed25519', signingKey(input), [base]), input);
  draft.setHeader('content-digest', contentDigest);
  draft.setHeader('signature-input', `sig1=${params}`);
  if (input.fault !== 'missing-header')
    draft.setHeader('signature', `sig1=:${encodeBytes(signature, 'base64')}:`);
}

function* signSns(draft: Draft, input: SignInput): Task<void> {
  const url = input.config?.['certUrl'];
  const topic = input.config?.['topicArn'];
  if (url === undefined || topic === undefined) {
    throw new VerifierSettingsError('/config', 'set certUrl and topicArn: the message names both');
  }
  const defaults: Record<string, string> = {
    Type: 'Notification',
    MessageId: crypto.randomUUID(),
    TopicArn: topic,
    Message: fromUtf8(draft.body),
    Timestamp: writtenInstant(draft.nowMs, 'iso'),
    SignatureVersion: '2',
    SigningCertURL: url,
  };
  const given = draft.view().json()?.value;
  // A body that is a message already is signed as it is; anything else becomes a message's text.
  if (valueAtPath(given, ['Type']) === undefined) draft.setBody('{}');
  for (const [name, value] of Object.entries(defaults)) {
    const own =
      name === 'SigningCertURL' || name === 'SignatureVersion' ? undefined : valueAtPath(given, [name]);
    draft.setJson(name, plainText(own) ?? value);
  }
  const view = draft.view();
  const fields = Object.fromEntries(
    ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'].map(
      (name) => [name, plainText(valueAtPath(view.json()?.value, [name]))],
    ),
  );
  const signature = faulty(yield* signed('rsa-sha256', signingKey(input), [snsContent(fields)]), input);
  if (input.fault !== 'missing-header') draft.setJson('Signature', encodeBytes(signature, 'base64'));
  draft.setHeader('x-amz-sns-message-type', fields['Type'] ?? '');
}

function* signUnisender(draft: Draft, input: SignInput): Task<void> {
  const { text } = signingSecret(input);
  draft.setJson('auth', text);
  const hash = encodeBytes(faulty(yield* digest('md5', [draft.body]), input), 'hex');
  draft.setJson('auth', input.fault === 'missing-header' ? undefined : hash);
}

function* signWebsub(draft: Draft, input: SignInput): Task<void> {
  if (input.fault === 'missing-header') return;
  draft.setHeader('x-hub-signature', `sha256=${yield* hmacText('sha256', [draft.body], 'hex', input)}`);
}

/** Signers of the senders that need a function. */
export const customSigners: Record<CustomScheme['fn'], Sign> = {
  adyen: signAdyen,
  'coinbase-cdp': signCoinbaseCdp,
  contentful: signContentful,
  ebay: signEbay,
  mailchannels: signMailchannels,
  plivo: signPlivo,
  sns: signSns,
  twilio: signTwilio,
  unisender: signUnisender,
  websub: signWebsub,
};
