import { decodeText } from '../bytes.ts';
import { compileCertificates } from '../key-documents.ts';
import { pinnedPublicKey } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { checkSignature } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { VerifierSettingsError, refuse } from '../reasons.ts';
import { isRecord } from '../reference.ts';
import type { RequestView } from '../request-view.ts';

const signedFields: Readonly<Record<string, readonly string[]>> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
};

/**
 * Amazon SNS: a signature inside the body, by a certificate whose address is inside the body too.
 * Any AWS account can send validly signed messages, so the topic must be pinned.
 */
export function prepareSns(credentials: Credentials): PreparedScheme {
  const topics = (credentials.config?.['topicArn'] ?? '').split(',').map((topic) => topic.trim());
  if (topics[0] === '') {
    throw new VerifierSettingsError(
      '/config/topicArn',
      'set topicArn: any AWS account can sign messages of its own topics',
    );
  }
  const certificates = compileCertificates(
    String.raw`^sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(?:\.cn)?$`,
    String.raw`\.pem$`,
    pinnedPublicKey(credentials),
  );
  function* check(view: RequestView): Task<Proof> {
    const fields = readFields(view);
    const alg = signatureAlgorithm(fields['SignatureVersion']);
    const signature = decodeText(required(fields, 'Signature'), 'base64');
    if (signature === undefined) throw refuse('malformed_signature');
    const content = snsContent(fields);
    const address = required(fields, 'SigningCertURL');
    const key = yield* certificates.read(address, view.nowMs);
    if (!(yield* checkSignature(alg, key, signature, [content]))) throw refuse('bad_signature');
    certificates.prove(address);
    if (!topics.includes(fields['TopicArn'] ?? '')) throw refuse('bad_claim');
    return { covers: 'body' };
  }
  return { sharedToken: false, check };
}

type Fields = Readonly<Record<string, string | undefined>>;

function readFields(view: RequestView): Fields {
  const value = view.json()?.value;
  if (!isRecord(value)) throw refuse('malformed_body');
  const fields: Record<string, string> = {};
  for (const [name, field] of Object.entries(value)) {
    if (typeof field === 'string') fields[name] = field;
  }
  return fields;
}

function required(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined) throw refuse('missing_field');
  return value;
}

function signatureAlgorithm(version: string | undefined): 'rsa-sha1' | 'rsa-sha256' {
  if (version === '1') return 'rsa-sha1';
  if (version === '2') return 'rsa-sha256';
  throw refuse(version === undefined ? 'missing_field' : 'alg_not_allowed');
}

/** The text that SNS signs for a message of this type. */
export function snsContent(fields: Fields): string {
  const names = signedFields[required(fields, 'Type')];
  if (names === undefined) throw refuse('malformed_body');
  return names
    .filter((name) => name !== 'Subject' || fields[name] !== undefined)
    .map((name) => `${name}\n${required(fields, name)}\n`)
    .join('');
}
