import type { ProblemCode } from './problem.ts';

/** What a code means, in Markdown with nothing but `code` in it. */
export interface Explanation {
  /** When it is answered. */
  readonly meaning: string;
  /** What the one who reads it can do. */
  readonly fix: string;
}

/** A sentence or two for each code. The type makes a code without one, or one without a code, a mistake. */
export const EXPLANATIONS: Readonly<Record<ProblemCode, Explanation>> = {
  signature_missing: {
    meaning: 'The source verifies its sender, and the header or field with the proof was not in the request.',
    fix:
      'Check that the sender is set up with a secret, that the source has the right `provider`, and that no ' +
      'proxy in between removes headers.',
  },
  signature_mismatch: {
    meaning: 'There was a proof, but it was not made with any of the secrets of the source over these bytes.',
    fix:
      "Compare the secret with the sender's. If it is right, something on the way changes the body, or the URL " +
      'that the sender signs is not `RINGBACK_PUBLIC_URL`. `GET /v1/rejections/{request_id}` has the exact reason.',
  },
  timestamp_out_of_tolerance: {
    meaning: 'The signed time is older or newer than the provider allows, so the request may be a recording.',
    fix: "Check this machine's clock and the sender's. Send the event anew instead of repeating old bytes.",
  },
  credentials_invalid: {
    meaning:
      'At the API: the key is unknown, deleted or expired. At a source: the token or password is not the one that is set.',
    fix: 'Use a valid key (`POST /v1/keys` makes one), or set the secret of the source to what the sender shows.',
  },
  credentials_missing: {
    meaning: 'The API was called without an `Authorization` header.',
    fix: 'Send `Authorization: Bearer KEY`.',
  },
  scope_missing: {
    meaning: 'The key is valid but may not do this: it lacks a scope, or it is bound to another tenant.',
    fix: 'Use a key with the scope that `detail` names, or one that is not bound to a tenant.',
  },
  sender_not_allowed: {
    meaning: "The sender's address is in none of the source's `allowed_ips`.",
    fix:
      'Add the block to `allowed_ips`. Behind a proxy, set `RINGBACK_TRUSTED_PROXIES`, or every sender has the ' +
      "proxy's address.",
  },
  source_unknown: {
    meaning: 'No source has this ingest URL. It was mistyped, or the source was deleted.',
    fix: 'Take the `url` of the source from `GET /v1/sources`.',
  },
  source_disabled: {
    meaning: 'The source exists but is switched off.',
    fix: 'Enable it with `PATCH /v1/sources/{id}` and `{"enabled": true}`.',
  },
  not_found: {
    meaning: 'There is nothing with this id, or it belongs to another tenant.',
    fix: 'Check the id, and that the key is of the right tenant.',
  },
  route_unknown: {
    meaning: 'No operation has this path and method.',
    fix: 'See `GET /openapi.json` for what there is.',
  },
  method_not_allowed: {
    meaning: 'The path exists, but not with this method.',
    fix: 'See `GET /openapi.json` for the methods of the path.',
  },
  conflict: {
    meaning:
      'The request is fine but does not fit what is there: a name that is taken, or a state it cannot leave.',
    fix: 'Do what `detail` says, for example choose another name, or delete the subscriptions first.',
  },
  idempotency_conflict: {
    meaning: 'The `Idempotency-Key` was used in the last 24 hours for a request with another content.',
    fix: 'Use a new key for a new request, and the same key only to repeat the same request.',
  },
  request_timeout: {
    meaning: 'The request did not arrive whole within `RINGBACK_REQUEST_TIMEOUT`.',
    fix: 'Send it again; for large bodies over slow lines, raise the setting.',
  },
  event_too_large: {
    meaning: 'The body is larger than the source, or for the API the server, accepts. Nothing was kept.',
    fix: 'Raise `max_body_bytes` of the source, up to `RINGBACK_MAX_BODY_SIZE`, or send less.',
  },
  content_type_unsupported: {
    meaning: "The media type is not in the source's `content_types`.",
    fix: 'Add it to `content_types`, or leave the list empty to accept any.',
  },
  body_malformed: {
    meaning:
      'The request could not be read: not JSON in UTF-8 where JSON is needed, broken HTTP, or a connection that ended early.',
    fix: '`detail` says where reading stopped.',
  },
  validation_failed: {
    meaning: 'Fields are missing, unknown or have values that cannot be used. Nothing was changed.',
    fix: '`errors` lists every one, with a pointer and what to write instead.',
  },
  schema_mismatch: {
    meaning: 'The event does not fit the JSON Schema of the source, which rejects such events.',
    fix: 'Mend the sender or the schema, or set `on_invalid` to `mark` to keep such events and mark them.',
  },
  schema_incompatible: {
    meaning:
      'A version of an event type was to be added that breaks the `compatibility` of the type with the version ' +
      'before it: data that fitted would no longer fit, or data could come that the version before does not know.',
    fix:
      'Each entry of `errors` points at what breaks the promise and says which direction. Change it, or set ' +
      '`compatibility: none` on the type, if publishers and receivers are ready for it.',
  },
  filter_invalid: {
    meaning: 'A CEL expression cannot be compiled: a mistake of syntax, an unknown name or function.',
    fix: '`detail` has the line and column; `POST /v1/filters/test` tries an expression on a sample.',
  },
  rate_limited: {
    meaning: 'The source takes only so many requests in a period, and this one was more.',
    fix: 'Wait for `Retry-After`. Raise `rate_limit` of the source if the traffic is wanted.',
  },
  provider_refused: {
    meaning:
      "The provider's API said no, for the reason in `detail`: the token, the account, or what was asked for.",
    fix: 'Give a token that may manage webhooks of that account, and names as the provider writes them.',
  },
  provider_unavailable: {
    meaning: "The provider's API did not answer, or not in a way that can be used.",
    fix: 'Ask again: what was done already is found and not done twice. Behind a proxy set `RINGBACK_OUTBOUND_PROXY`.',
  },
  internal_error: {
    meaning: 'A bug in the gateway.',
    fix: 'Send it again. If it stays, look in the log for the `request_id` and report it.',
  },
  source_not_ready: {
    meaning:
      "The gateway cannot tell yet whether the request is genuine: the provider's public keys could not be fetched, or the source still waits for the secret that its provider hands over in the first request.",
    fix: 'Senders try again by themselves. Operators: the rejection has the reason. For `key_unavailable` see whether the address of the keys can be reached; for `secret_pending` let the provider send its handshake, or add the secret.',
  },
  store_unavailable: {
    meaning:
      'The event is not on disk, so it was not accepted: the disk is full or failing, or the store is closed.',
    fix: 'Senders try again by themselves. Operators: see the log, `GET /readyz` and the free space of the disk.',
  },
  overloaded: {
    meaning: 'The bodies being received would take more memory than `RINGBACK_INGEST_MEMORY`.',
    fix: 'Senders try again by themselves after `Retry-After`. Raise the setting if it happens often.',
  },
  role_absent: {
    meaning:
      'Of several nodes on one store, this one was started without the role for such requests (`RINGBACK_ROLE`).',
    fix: 'Send it again, to a node that has the role: the load balancer should send it there at once.',
  },
  shutting_down: {
    meaning: 'The gateway was told to stop and takes nothing new.',
    fix: 'Send it again: the next process takes it.',
  },
};
