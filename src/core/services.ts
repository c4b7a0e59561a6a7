import type { IdMaker } from '../domain/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Expressions } from '../ports/expressions.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Protobufs } from '../ports/protobufs.ts';
import type { Registrars } from '../ports/registrar.ts';
import type { Randomness } from '../ports/randomness.ts';
import type { SecretBox, SecretKeys } from '../ports/secret-box.ts';
import type { Schemas } from '../ports/schemas.ts';
import type { Sender, TlsIdentities, WebhookSigner } from '../ports/sender.ts';
import type { Store } from '../ports/store.ts';
import type { Verifiers } from '../ports/verifier.ts';

/** What the use cases need from outside, put together once in `app`. */
export interface Services {
  readonly clock: Clock;
  readonly random: Randomness;
  readonly ids: IdMaker;
  readonly store: Store;
  readonly expressions: Expressions;
  readonly verifiers: Verifiers;
  readonly registrars: Registrars;
  readonly signer: WebhookSigner;
  readonly sender: Sender;
  readonly tlsIdentities: TlsIdentities;
  readonly secrets: SecretBox;
  readonly secretKeys: SecretKeys;
  readonly addresses: AddressRules;
  readonly schemas: Schemas;
  readonly protobufs: Protobufs;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Questions about addresses and URLs that need tables of networks. */
export interface AddressRules {
  /** Whether an address is inside any of the CIDR blocks. */
  within(address: string, blocks: readonly string[]): boolean;
  isBlock(text: string): boolean;
  /** Why events may not be sent to `url`, as far as its text shows; `null` when they may. */
  refuseUrl(url: string): string | null;
}
