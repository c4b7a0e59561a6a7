import type { DatabaseAddress } from './database-url.ts';
import type { Run } from './database.ts';
import { sqlState } from './failures.ts';
import { number, text } from './rows.ts';

const OLDEST_VERSION = 15;
/** Leases are compared with each node's clock, so clocks that differ by more end leases too early. */
const CLOCK_TOLERANCE_MS = 10_000;

/**
 * Looks whether the server can keep what is committed, and is one that Ringback can use. Throws an `Error`
 * that says the fix; answers warnings about what can be lived with.
 */
export async function checkServer(run: Run, address: DatabaseAddress, nowMs: number): Promise<string[]> {
  const [row] = await run({
    text: `
      SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('server_encoding') AS encoding, pg_is_in_recovery()::text AS is_standby,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms`,
  });
  if (row === undefined) throw new TypeError('the server does not say what it is');
  const major = Math.floor(number(row, 'version') / 10_000);
  if (major < OLDEST_VERSION) {
    throw new Error(
      `PostgreSQL at ${address.said} is version ${major}; Ringback needs ${OLDEST_VERSION} or newer: upgrade it`,
    );
  }
  if (text(row, 'is_standby') === 'true') {
    throw new Error(`PostgreSQL at ${address.said} is a standby that takes no writes; name the primary`);
  }
  if (text(row, 'encoding') !== 'UTF8') {
    throw new Error(
      `the database at ${address.said} has the encoding ${text(row, 'encoding')}; create one with ENCODING 'UTF8'`,
    );
  }
  const warnings = [];
  const unsafe = ['fsync', 'full_page_writes', 'synchronous_commit'].filter((name) => row[name] === 'off');
  if (unsafe.length > 0) {
    const found = `PostgreSQL at ${address.said} runs with ${unsafe.map((name) => `${name}=off`).join(', ')}: a power failure can lose events that were acknowledged`;
    if (!address.trustsServer) {
      throw new Error(
        `${found}. Turn ${unsafe.length === 1 ? 'it' : 'them'} on; or, where the storage below makes up for ` +
          'it, add trust_server=true to the parameters of store_url',
      );
    }
    warnings.push(found);
  }
  const skewMs = nowMs - number(row, 'now_ms');
  if (Math.abs(skewMs) > CLOCK_TOLERANCE_MS) {
    warnings.push(
      `this node's clock is ${Math.abs(Math.round(skewMs / 1_000))} s ${skewMs > 0 ? 'ahead of' : 'behind'} ` +
        'the database server: leases of other nodes may end too early; synchronise the clocks (NTP)',
    );
  }
  return warnings;
}

/**
 * Throws when tables of the schema belong to someone else: partitions can only be made by their owner, so
 * the gateway would stop at the end of the day.
 */
export async function checkOwner(run: Run, { said, schema }: DatabaseAddress): Promise<void> {
  const [row] = await run({
    text: `
      SELECT relname AS name, pg_get_userbyid(relowner) AS owner, current_user AS "user" FROM pg_class
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname = $1 AND relkind IN ('r', 'p', 'S', 'v') AND NOT pg_has_role(relowner, 'USAGE') LIMIT 1`,
    values: [schema],
  });
  if (row === undefined) return;
  const owner = text(row, 'owner');
  const user = text(row, 'user');
  throw new Error(
    `the schema "${schema}" at ${said} belongs to ${owner}, and ${user} may not use it as its own: log in as ` +
      `${owner}, or GRANT ${owner} TO ${user}`,
  );
}

/** An error of the start as an operator can act on it. */
export function explainStart(error: unknown, address: DatabaseAddress): Error {
  const message = error instanceof Error ? error.message : String(error);
  const fix = fixOf(error, address);
  return fix === null
    ? new Error(`the store cannot be opened: ${message}`, { cause: error })
    : new Error(`${fix} (${message})`, { cause: error });
}

/** By SQLSTATE (PostgreSQL 15, appendix A) or by the system's error code. */
function fixOf(error: unknown, { said, schema }: DatabaseAddress): string | null {
  const code = sqlState(error) ?? systemCode(error);
  const fixes: Record<string, string> = {
    '28P01': `PostgreSQL at ${said} refuses the password: check user and password in store_url`,
    '28000': `PostgreSQL at ${said} does not let this user in from here: check pg_hba.conf and sslmode`,
    '3D000': `the database does not exist at ${said}: create it, or correct store_url`,
    '42501': `this user lacks privileges at ${said}: GRANT CREATE ON DATABASE to it, or make it the owner of the schema "${schema}"`,
    '53300': `PostgreSQL at ${said} has no connection left: raise max_connections (a node uses up to 10)`,
    '57P03': `PostgreSQL at ${said} is starting up or shutting down: start again in a moment`,
    ECONNREFUSED: `nothing listens at ${said}: start PostgreSQL, or correct store_url`,
    ENOTFOUND: `the host of ${said} is not known: correct store_url`,
    EAI_AGAIN: `the host of ${said} cannot be looked up: check the name server, or correct store_url`,
    ETIMEDOUT: `no answer from ${said}: check network and firewall, or correct store_url`,
    ECONNRESET: `what listens at ${said} ends the connection: is it PostgreSQL? Correct store_url`,
    EHOSTUNREACH: `no way to ${said}: check network and firewall, or correct store_url`,
  };
  if (code !== null && code in fixes) return fixes[code] ?? null;
  if (code !== null && CERTIFICATE_ERRORS.test(code)) {
    return `the certificate of ${said} is not trusted: name the authority that signed it with sslrootcert=FILE`;
  }
  if (!(error instanceof Error)) return null;
  const { message } = error;
  if (/timeout/i.test(message)) return fixes['ETIMEDOUT'] ?? null;
  if (/password must be a string|SASL/.test(message)) return fixes['28P01'] ?? null;
  if (/does not support SSL/.test(message)) {
    return `PostgreSQL at ${said} has no TLS: turn ssl on there, or leave sslmode out of store_url`;
  }
  if (/terminated unexpectedly|unexpected response|Unknown message/i.test(message)) {
    return fixes['ECONNRESET'] ?? null;
  }
  return null;
}

/** Of OpenSSL, as Node names them. */
const CERTIFICATE_ERRORS = /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT)/;

function systemCode(error: unknown): string | null {
  if (error instanceof AggregateError) return systemCode(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
