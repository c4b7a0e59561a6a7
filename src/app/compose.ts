import { join } from 'node:path';
import type { Config, Profile } from '../config/schema.ts';
import type { DispatchLimits } from '../core/dispatch.ts';
import { EVENT_FIELDS } from '../core/expression-input.ts';
import { Gateway } from '../core/gateway.ts';
import type { Services } from '../core/services.ts';
import { IdMaker } from '../domain/ids.ts';
import { createLazyCelExpressions } from '../expressions/lazy-cel.ts';
import type { Logger } from '../ports/logger.ts';
import type { Sender } from '../ports/sender.ts';
import type { Store } from '../ports/store.ts';
import { DescriptorProtobufs } from '../schemas/protobufs.ts';
import { JsonSchemas } from '../schemas/json-schemas.ts';
import { KeyRing } from '../security/key-ring.ts';
import { systemRandomness } from '../security/randomness.ts';
import { AddressGuard } from '../senders/address-guard.ts';
import { GuardedAddressRules } from '../senders/address-rules.ts';
import { AuthorizedSender } from '../senders/authorized-sender.ts';
import { createRegistrars } from '../registrars/registrars.ts';
import { guardedFetch } from '../senders/guarded-fetch.ts';
import { OAuth2Tokens } from '../senders/oauth2-tokens.ts';
import type { SenderThreadOptions } from '../senders/sender-messages.ts';
import { ThreadedSender } from '../senders/threaded-sender.ts';
import { tlsIdentities } from '../senders/tls-identities.ts';
import { StandardWebhookSigner } from '../senders/webhook-signer.ts';
import type { PrometheusMetrics } from '../telemetry/metrics.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import { createVerifiers } from '../verifiers/verifiers.ts';
import { readVersion } from './version.ts';
import { SECRET_KEY_FILE } from './key-files.ts';

/** The keys that seal secrets: the operator's, or those of a file that is made at the first start. */
export function openKeyRing(config: Config): KeyRing {
  return config.secretKeys === null
    ? KeyRing.inFile({ path: join(config.dataDir, SECRET_KEY_FILE), randomness: systemRandomness })
    : KeyRing.ofOperator(config.secretKeys);
}

/** Every adapter, chosen: the one place that names them. */
export function composeServices(
  config: Config,
  profile: Profile,
  store: Store,
  keyRing: KeyRing,
  log: Logger,
  metrics: PrometheusMetrics,
): Services {
  const rules = {
    allowPrivate: config.allowPrivate,
    allowHosts: config.allowHosts,
    denyHosts: config.denyHosts,
    allowHttp: config.allowHttpDestinations,
  };
  const guard = new AddressGuard(rules);
  const proxy = config.outboundProxy === null ? {} : { proxyUrl: config.outboundProxy };
  const fetchGuarded = guardedFetch({ addressGuard: guard, ...proxy });
  const protobufs = new DescriptorProtobufs();
  return {
    clock: systemClock,
    random: systemRandomness,
    ids: new IdMaker(
      () => systemClock.now(),
      (count) => systemRandomness.bytes(count),
    ),
    store,
    expressions: createLazyCelExpressions({ eventFields: EVENT_FIELDS }),
    verifiers: createVerifiers({
      fetch: fetchGuarded,
      protobufs,
      takesPublicSecrets: profile === 'dev',
    }),
    registrars: createRegistrars(fetchGuarded),
    signer: new StandardWebhookSigner(),
    sender: composeSender({ guard: rules, ...proxy }, log),
    tlsIdentities,
    secrets: keyRing,
    secretKeys: keyRing,
    addresses: new GuardedAddressRules(guard),
    schemas: new JsonSchemas(),
    protobufs,
    log,
    metrics,
  };
}

function composeSender(options: SenderThreadOptions, log: Logger): Sender {
  const sender = new ThreadedSender({
    ...options,
    onThreadReady: () => log.debug('sender.started'),
    onThreadLost: (error) => log.error('sender.lost', {}, error),
  });
  const tokens = new OAuth2Tokens({ sender, userAgent: `Ringback/${readVersion()}` });
  return new AuthorizedSender(sender, tokens);
}

/** The use cases over the adapters. `lease` is for gateways whose tests cannot wait for a lease to end. */
export function composeGateway(
  config: Config,
  services: Services,
  version: string,
  lease: Pick<DispatchLimits, 'leaseSlackMs' | 'sweepEveryMs'> = {},
): Gateway {
  return new Gateway(services, {
    version,
    dispatch: { maxInFlight: config.maxInFlight, maxBytes: config.deliveryMemoryBytes, ...lease },
    rejections: { maxPerSource: config.rejectionsPerSource, maxBytes: config.rejectionsBytes },
    retention: { maxAgeMs: config.retentionMs, maxBytes: config.retentionBytes },
    dedupeWindowMs: config.dedupeWindowMs,
    maxHops: config.maxHops,
    roles: config.role,
    redact: config.redact,
  });
}
