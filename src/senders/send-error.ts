import type { SendError } from '../domain/outcome.ts';

const BY_CODE: ReadonlyMap<string, SendError> = new Map<string, SendError>([
  ['ADDRESS_FORBIDDEN', 'address_forbidden'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['ECONNABORTED', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'invalid_response'],
  // The receiver stopped before the length that it announced, or within a chunk. Whether it lied or its
  // connection broke cannot be told apart, and undici's code depends on a header that says neither.
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'connection_reset'],
  ['HPE_INVALID_EOF_STATE', 'connection_reset'],
  ['UND_ERR_INVALID_ARG', 'invalid_request'],
  ['UND_ERR_NOT_SUPPORTED', 'invalid_request'],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'invalid_request'],
  ['ENOTFOUND', 'dns_failure'],
  ['ENODATA', 'dns_failure'],
  ['ESERVFAIL', 'dns_failure'],
  ['EREFUSED', 'dns_failure'],
  ['EBADNAME', 'dns_failure'],
  ['ETIMEOUT', 'dns_failure'],
  ['EPROTO', 'tls_error'],
]);

/** OpenSSL's verification results, Node's own TLS codes and the library's errors. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERROR_IN_C|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/** The category of what undici, Node or the address guard reported. */
export function sendErrorOf(error: unknown): SendError {
  if (!(error instanceof Error)) return 'network_error';
  const code = codeOf(error);
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (code === 'UND_ERR_SOCKET') {
    // undici's messages for a status 100 or 101 that nobody asked for; otherwise the other side closed.
    return error.message.startsWith('bad ') ? 'invalid_response' : 'connection_reset';
  }
  if (code.startsWith('HPE_')) return 'invalid_response';
  if (code.startsWith('EAI_')) return 'dns_failure';
  return TLS_CODE.test(code) ? 'tls_error' : 'network_error';
}

function codeOf(error: Error): string {
  // Several addresses tried in a row: Node puts the first one's code on the aggregate.
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
