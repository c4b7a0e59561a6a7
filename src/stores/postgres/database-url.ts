/** Where the database is and how to use it, from its URL. */
export interface DatabaseAddress {
  /** The URL as the driver understands it. */
  readonly url: string;
  /** Host, port and database, for messages: never the password. */
  readonly said: string;
  /** The schema that holds Ringback's tables. */
  readonly schema: string;
  /** Further options of the session, as `-c name=value`. */
  readonly sessionOptions: string;
  /** True when the operator vouches for a server whose settings look as if it could lose commits. */
  readonly trustsServer: boolean;
}

const EXAMPLE = 'postgres://user:password@host:5432/database';

/**
 * Reads `postgres://user:password@host:port/database?sslmode=...`.
 *
 * Two parameters are our own: `schema` (default `ringback`) and `trust_server` (see `checkServer`). Throws
 * an `Error` that says what is wrong with the URL, without its password.
 */
export function readDatabaseUrl(text: string): DatabaseAddress {
  const url = parse(text);
  const schema = url.searchParams.get('schema') ?? 'ringback';
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new Error(
      `store_url: the schema "${schema}" is not a plain name; use small letters, digits and _ only`,
    );
  }
  const sessionOptions = url.searchParams.get('options') ?? '';
  const trustsServer = url.searchParams.get('trust_server') === 'true';
  for (const ours of ['schema', 'options', 'trust_server']) url.searchParams.delete(ours);
  const host = url.searchParams.get('host') ?? (url.hostname === '' ? 'localhost' : url.hostname);
  const port = url.port === '' ? '' : `:${url.port}`;
  return {
    url: url.href,
    said: `${host}${port}${url.pathname}`,
    schema,
    sessionOptions,
    trustsServer,
  };
}

function parse(text: string): URL {
  if (!URL.canParse(text)) {
    throw new Error(
      `store_url: this is not a URL that can be read; write ${EXAMPLE}, and signs such as @ or / in the ` +
        'password as %40 or %2F',
    );
  }
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new Error(`store_url: "${url.protocol}" is not PostgreSQL; write ${EXAMPLE}`);
  }
  if (url.pathname.length < 2) {
    throw new Error(`store_url: the URL names no database; write ${EXAMPLE}`);
  }
  return url;
}
