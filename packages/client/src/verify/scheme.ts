/**
 * The vocabulary in which a provider's proof is written down. A scheme is data: one interpreter
 * reads it, whether it comes from the table of providers or from a user's own configuration.
 *
 * References name a value of the request: `h:NAME` header, `q:NAME` query parameter, `json:PATH`
 * field of the JSON body (`a.b[0].c`; `a[*].b` is the value that all items share), `form:NAME` form
 * field, `fj:PATH` field of the JSON inside the form field `json` (`fj:FIELD/PATH` inside another),
 * `xml:ELEMENT` text of an XML element, `fx:FIELD/ELEMENT` the same inside a base64 form field,
 * `other:A,B` name of the first JSON field that is not A or B, `sig:FIELD` labelled part of the signature header, `jwt:CLAIM` verified claim,
 * `cfg:KEY` setting of the source.
 */
export type Reference = string;

/** Message authentication codes. MD5 is here because one sender still uses it, not as advice. */
export type MacAlgorithm = 'hmac-sha256' | 'hmac-sha1' | 'hmac-sha512' | 'hmac-md5';

/** Plain hashes over a content that includes the secret. */
export type DigestAlgorithm = 'sha256' | 'sha1' | 'md5';

/** Public key signatures. `ecdsa-*` are DER encoded, as senders of webhooks write them. */
export type SignatureAlgorithm =
  'ed25519' | 'ecdsa-p256-sha256' | 'ecdsa-p256-sha1' | 'rsa-sha256' | 'rsa-sha1';

/** How bytes are written as text. Decoding is strict: exact alphabet, exact length. */
export type Encoding = 'hex' | 'base64' | 'base64url';

/** How the text of a secret becomes the bytes of a key. */
export interface KeyRule {
  /** `base64-if-prefixed`: decode only when one of `strip` was there. Default `utf8`. */
  readonly decode?: 'utf8' | 'hex' | 'base64' | 'base64-if-prefixed';
  /** Prefixes removed in this order, each if present. */
  readonly strip?: readonly string[];
  /** A regular expression whose match is removed. Only the built-in table may use it. */
  readonly stripPattern?: string;
  /** Text added after the secret. */
  readonly suffix?: string;
  /** Unicode normalisation before encoding. */
  readonly normalize?: 'NFKD';
  /** The key is this hash of the decoded secret. */
  readonly derive?: 'sha1';
}

/**
 * Where the signature is and how it is written. Exactly one place: `header`, `headers` (any match
 * in any of them wins), `headerPattern`, `query`, `form`, `json`, `formJson`.
 */
export interface SignaturePlace {
  readonly header?: string;
  readonly headers?: readonly string[];
  readonly headerPattern?: string;
  readonly query?: string;
  readonly form?: string;
  readonly json?: string;
  readonly formJson?: string;
  /** How the signature bytes are written. Default `hex`. */
  readonly enc?: Encoding;
  /** Text before each signature, such as `sha256=`. */
  readonly prefix?: string;
  /** Separator of several entries in one value, such as `,` or a space; spaces around it do not count. */
  readonly list?: string;
  /** Separator of label and value within an entry, such as `=`. */
  readonly kv?: string;
  /** The label of the entries that are signatures; other labels are skipped. */
  readonly pick?: string;
  /** The setting whose value is that label. */
  readonly pickConfig?: string;
  /** Entries carry no labels: the first is field 0, the rest are signatures. */
  readonly positional?: boolean;
  /** The sender writes the signature before the other labels. No matter for reading. */
  readonly signatureFirst?: boolean;
  /** Separator of groups, each a list with its own timestamp. */
  readonly groups?: string;
  /** The sender repeats this header on purpose; otherwise a repeat is refused. */
  readonly repeatable?: boolean;
}

/** When the request was made, and how old or new it may be in seconds. */
export interface TimestampRule {
  readonly from: Reference;
  readonly unit: 's' | 'ms' | 'iso' | 'http-date';
  /** Largest age in seconds; null or absent: no limit. */
  readonly past?: number | null;
  /** Largest lead over our clock in seconds; null or absent: no limit. */
  readonly future?: number | null;
}

/** A value that must equal a fixed text, or a setting (`cfg:KEY`). */
export interface Requirement {
  readonly ref: Reference;
  readonly equals: string;
  /** The reason given when it does not. */
  readonly reason: 'alg_not_allowed' | 'bad_credentials' | 'bad_claim';
}

/**
 * What the proof really protects. `body`: every byte (or every parameter) of the body; `metadata`:
 * some fields only; `nothing`: the sender showed a secret, and the content is as trustworthy as
 * the connection.
 */
export type Covers = 'body' | 'metadata' | 'nothing';

interface SignedContent {
  readonly sig: SignaturePlace;
  /**
   * What is signed: text with `{body}`, `{ts}`, `{id}`, `{url}`, `{method}`, `{secret}` and
   * references in braces (`{h:x-id}`); `|` applies a filter: `sha256hex`, `crc32`, `jsonstr`,
   * `sortedkv`.
   */
  readonly content: string;
  readonly ts?: TimestampRule;
  /** The message id that `{id}` stands for. */
  readonly id?: Reference;
  readonly require?: readonly Requirement[];
  readonly covers?: Covers;
}

/** A keyed hash (HMAC) of the content. */
export interface MacScheme extends SignedContent {
  readonly kind: 'mac';
  readonly alg: MacAlgorithm;
  readonly key?: KeyRule;
}

/** A plain hash of a content that contains `{secret}`. */
export interface DigestScheme extends SignedContent {
  readonly kind: 'digest';
  readonly alg: DigestAlgorithm;
}

/** Where public keys come from. */
export type PublicKeySource =
  | {
      readonly from: 'publicKey';
      readonly format: 'pem' | 'spki-der-base64' | 'raw-hex' | 'raw-base64';
      readonly strip?: readonly string[];
    }
  /** Any key of the set may have signed. `url` is the default address of the set. */
  | { readonly from: 'jwksAny'; readonly url?: string }
  /** The key of the set that the token names. */
  | { readonly from: 'jwks'; readonly url?: string }
  /** One of the configured `keys`, named by this reference. */
  | { readonly from: 'keys'; readonly select: Reference }
  /** An X.509 certificate at an address in the request; its host must match exactly. */
  | { readonly from: 'certUrl'; readonly urlFrom: Reference; readonly hostPattern: string };

/** A public key signature of the content. */
export interface SignatureScheme extends SignedContent {
  readonly kind: 'signature';
  readonly alg: SignatureAlgorithm;
  readonly key: PublicKeySource;
}

/** A JSON Web Token whose claims may bind the body and the address. */
export interface JwtScheme {
  readonly kind: 'jwt';
  /** `bearer`, `body` (the body is the token) or a header reference. */
  readonly token: Reference;
  readonly algs: readonly JwtAlgorithm[];
  readonly key: { readonly from: 'secret' } | { readonly from: 'jwks'; readonly url?: string };
  readonly issuers?: readonly string[];
  /** Setting that the `iss` claim must equal. */
  readonly issuerConfig?: string;
  /** Setting that the `aud` claim must contain. */
  readonly audienceConfig?: string;
  /** The `sub` claim must be the URL called. */
  readonly subjectIsUrl?: boolean;
  /** The claim with the SHA-256 of the body; some senders leave it out for an empty body. */
  readonly bodyHash?: {
    readonly claim: string;
    readonly enc: Encoding;
    readonly optionalWhenEmpty?: boolean;
  };
  readonly urlHash?: { readonly claim: string; readonly enc: Encoding };
  readonly requiredClaims?: readonly string[];
  readonly claimEquals?: Readonly<Record<string, string | boolean>>;
  /** Clock difference allowed for `exp`, `nbf` and `iat`, in seconds. */
  readonly skew?: number;
  /** Largest age of `iat` in seconds. */
  readonly maxAge?: number;
  readonly covers?: Covers;
}

/** Algorithms of tokens that we know how to check. */
export type JwtAlgorithm = 'HS256' | 'HS384' | 'HS512' | 'RS256' | 'ES256' | 'EdDSA';

/** A secret that the sender shows with each request. */
export interface TokenScheme {
  readonly kind: 'token';
  /** `basic`, `bearer`, `xml:ELEMENT`, or a reference; `[*]` in a JSON path means every item. */
  readonly from: Reference;
  /** For `from: 'header'`: the setting that names the header. */
  readonly headerConfig?: string;
  readonly covers?: Covers;
}

/** One of the few schemes that need a function. */
export interface CustomScheme {
  readonly kind: 'custom';
  readonly fn:
    | 'adyen'
    | 'coinbase-cdp'
    | 'contentful'
    | 'ebay'
    | 'mailchannels'
    | 'plivo'
    | 'sns'
    | 'twilio'
    | 'unisender'
    | 'websub';
  readonly covers: Covers;
}

/** Accepts everything: for senders without any proof. The user chooses this by name. */
export interface NoneScheme {
  readonly kind: 'none';
}

/** One way in which a request proves who sent it. */
export type Scheme =
  MacScheme | DigestScheme | SignatureScheme | JwtScheme | TokenScheme | CustomScheme | NoneScheme;
