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

/**
 * The category of what undici, Node or the address guard reported. `answering`: the head of the answer
 * was read before it failed.
 */
export function sendErrorOf(error: unknown, answering: boolean): SendError {
  if (!(error instanceof Error)) return 'network_error';
  const code = codeOf(error);
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (code === 'UND_ERR_SOCKET') {
    // undici's messages for a status 100 or 101 that nobody asked for; otherwise the other side closed.
    return error.message.startsWith('bad ') ? 'invalid_response' : 'connection_reset';
  }
  if (isParserError(error, code))
    return answering && brokeOff(error, code) ? 'connection_reset' : 'invalid_response';
  if (code.startsWith('EAI_')) return 'dns_failure';
  return TLS_CODE.test(code) ? 'tls_error' : 'network_error';
}

/** By name, for undici 8 leaves the code of its parser's errors empty. */
function isParserError(error: Error, code: string): boolean {
  return error.name === 'HTTPParserError' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
}

/**
 * The receiver stopped before the length that it announced, or within a chunk. Whether it lied or its
 * connection broke cannot be told apart, and whether undici calls it a parser's error or a closed socket
 * depends on a `connection` header that says neither.
 */
function brokeOff(error: Error, code: string): boolean {
  return code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || error.message.includes('Invalid EOF state');
}

function codeOf(error: Error): string {
  // Several addresses tried in a row: Node puts the first one's code on the aggregate.
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
