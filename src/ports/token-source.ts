/** A client of an authorization server that gets tokens for itself (RFC 6749, 4.4). */
export interface OAuth2Client {
  readonly destinationId: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Scopes separated by spaces; `null` = what the server gives by itself. */
  readonly scope: string | null;
  /** Which API the token is for, where the server wants to be told; `null` = not sent. */
  readonly audience: string | null;
}

/** A token, or why there is none. */
/** A token to send, or why there is none. */
export type TokenAnswer =
  | { readonly ok: true; readonly token: string }
  /** `reason` is for whoever set the destination up; it holds no secret of ours. */
  | { readonly ok: false; readonly reason: string };

/** Access tokens for destinations that want them. */
export interface TokenSource {
  /**
   * A token that is good for at least a few seconds more. Never rejects. Calls for one destination while
   * a request to its token server is under way share that request's answer.
   */
  token(client: OAuth2Client, timeoutMs: number): Promise<TokenAnswer>;
  /** The destination did not accept `token`: the next call gets a new one. */
  drop(client: OAuth2Client, token: string): void;
}
