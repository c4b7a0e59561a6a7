import { decodePem, ecdsaDerFromRaw } from '../asn1.ts';
import type { SecretKey } from '../key-material.ts';
import { decodeSecrets } from '../key-material.ts';
import type { MessageParts, PrivateKey, Task } from '../operation.ts';
import { VerifierSettingsError } from '../reasons.ts';
import type { KeyRule, SignatureAlgorithm } from '../scheme.ts';
import type { SignInput } from './sign-input.ts';

/** The key of the first secret. */
export function signingSecret(input: SignInput, rule: KeyRule = {}): SecretKey {
  const [key] = decodeSecrets(input.secrets?.slice(0, 1), rule);
  if (key === undefined) throw new VerifierSettingsError('/secrets', 'set a secret: it signs');
  return key;
}

/** The private key of the input. */
export function signingKey(input: SignInput): PrivateKey {
  const block = input.privateKey === undefined ? undefined : decodePem(input.privateKey);
  if (block?.label !== 'PRIVATE KEY') {
    throw new VerifierSettingsError('/privateKey', 'set privateKey: a PKCS #8 PEM block (BEGIN PRIVATE KEY)');
  }
  return { pkcs8: block.der };
}

/** A signature in the form in which webhooks carry it: DER for ECDSA. */
export function* signed(alg: SignatureAlgorithm, key: PrivateKey, parts: MessageParts): Task<Uint8Array> {
  const raw = yield* rawSigned(alg, key, parts);
  return alg.startsWith('ecdsa') ? ecdsaDerFromRaw(raw) : raw;
}

/** A signature with ECDSA's r and s side by side, as tokens carry it. */
export function* rawSigned(alg: SignatureAlgorithm, key: PrivateKey, parts: MessageParts): Task<Uint8Array> {
  const signature = yield { op: 'sign', alg, key, parts };
  if (!(signature instanceof Uint8Array)) throw new TypeError('the driver gave no signature');
  return signature;
}

/** The signature that goes out: with the fault `signature`, one that nobody made. */
export function faulty(signature: Uint8Array, input: SignInput): Uint8Array {
  if (input.fault !== 'signature') return signature;
  // In the middle: the ends of a DER signature are its frame.
  const middle = signature.length >> 1;
  return signature.map((byte, index) => (index === middle ? byte ^ 0x55 : byte));
}
