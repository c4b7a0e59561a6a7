import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config, Profile } from '../config/schema.ts';
import type { DispatchLimits } from '../core/dispatch.ts';
import type { Gateway } from '../core/gateway.ts';
import type { Services } from '../core/services.ts';
import { readCertificate } from '../http/certificate-files.ts';
import { ClientAddresses } from '../http/client-address.ts';
import { FailedAuthentication } from '../http/failed-authentication.ts';
import { type HttpContext, problemOf } from '../http/http-context.ts';
import { BodyBudget } from '../http/read-body.ts';
import { createHttpServer } from '../http/server.ts';
import { loadOrCreateApiKey } from '../security/key-file.ts';
import { systemRandomness } from '../security/randomness.ts';
import { createLogger, type FlushableLogger } from '../telemetry/logger.ts';
import { createMetrics, type PrometheusMetrics } from '../telemetry/metrics.ts';
import { apiKeys } from './api-keys.ts';
import { composeGateway, composeServices, openKeyRing } from './compose.ts';
import { certificatePathsOf, followCertificate } from './follow-certificate.ts';
import { ADMIN_KEY_FILE } from './key-files.ts';
import { type NodeIdentity, nodeIdentity } from './node-identity.ts';
import { openStore } from './open-store.ts';
import { readVersion } from './version.ts';

export interface RunningGateway {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** The file with the admin key, when the gateway made or found one; `null` when the operator set it. */
  readonly adminKeyFile: string | null;
  readonly log: FlushableLogger;
  /** Stops the intake, lets what is under way finish within the drain time, closes the store. */
  stop(): Promise<void>;
}

/** What an entry of its own may change in a gateway, such as one whose parts fail on purpose. */
export interface Adaptation {
  /** Puts something around the adapters before anything uses them. */
  readonly services?: (services: Services) => Services;
  readonly lease?: Pick<DispatchLimits, 'leaseSlackMs' | 'sweepEveryMs'>;
}

/** Puts a gateway together and starts it. Rejects, leaving nothing behind, when any part cannot start. */
export async function startGateway(
  config: Config,
  profile: Profile,
  adaptation: Adaptation = {},
): Promise<RunningGateway> {
  const version = readVersion();
  const log = createLogger({ level: config.logLevel, format: config.logFormat });
  const metrics = createMetrics();
  const keyRing = openKeyRing(config);
  const store = await openStore(config, keyRing.ids);
  let identity: NodeIdentity | null = null;
  try {
    const composed = composeServices(config, profile, store, keyRing, log, metrics);
    const services = adaptation.services?.(composed) ?? composed;
    const gateway = composeGateway(config, services, version, adaptation.lease);
    const adminKey = findAdminKey(config, profile);
    const context = httpContext(config, gateway, metrics, version, apiKeys(adminKey.key, services, gateway));
    const certificatePaths = certificatePathsOf(config);
    const { app, endStreams } = createHttpServer(context, {
      certificate: certificatePaths === null ? null : readCertificate(certificatePaths),
      requestTimeoutMs: config.requestTimeoutMs,
      roles: config.role,
      makeRequestId: () => services.ids.make('req'),
    });
    identity = store.nodes === undefined ? null : nodeIdentity(config.dataDir);
    identity?.take(gateway.nodes.id);
    await gateway.start(identity?.endedNodes);
    identity?.settle(gateway.nodes.id);
    await app.listen({ host: config.host, port: config.port });
    const url = listeningUrl(config, app.server.address());
    context.listening(url);
    const stopWatching = followCertificate(app.server, certificatePaths, log);
    registerGauges(metrics, gateway, context.budget);
    log.info('gateway.started', { url, version, profile, store: config.storeUrl.split(':')[0] });
    return {
      url,
      adminKeyFile: adminKey.file,
      log,
      stop: async () => {
        log.info('gateway.stopping');
        stopWatching();
        endStreams();
        const drained = delay(config.drainTimeoutMs, undefined, { ref: false });
        // Half of the time at the most: a request that drips in must not use up that of the attempts.
        const intakeLimit = delay(config.drainTimeoutMs / 2, undefined, { ref: false });
        await Promise.race([app.close(), intakeLimit]);
        app.server.closeAllConnections();
        await Promise.race([gateway.stop(), drained]);
        await services.sender.close();
        await store.close();
        identity?.release();
        log.info('gateway.stopped');
        await log.flush();
      },
    };
  } catch (error) {
    await store.close();
    identity?.release();
    throw error;
  }
}

function httpContext(
  config: Config,
  gateway: Gateway,
  metrics: PrometheusMetrics,
  version: string,
  authenticate: HttpContext['authenticate'],
): HttpContext & { listening(url: string): void } {
  const { log, store } = gateway.services;
  let publicUrl = config.publicUrl?.replace(/\/+$/, '') ?? '';
  return {
    gateway,
    ingest: gateway.ingest,
    addresses: new ClientAddresses(config.trustedProxies),
    budget: new BodyBudget(config.ingestMemoryBytes),
    limits: {
      maxBodyBytes: config.maxBodyBytes,
      defaultBodyBytes: Math.min(config.defaultBodyBytes, config.maxBodyBytes),
      dedupeWindowMs: config.dedupeWindowMs,
    },
    log,
    version,
    publicUrl: () => publicUrl,
    listening: (url) => {
      if (publicUrl === '') publicUrl = url;
    },
    authenticate,
    failedAuthentication: new FailedAuthentication({ log }),
    ready: () => store.check(),
    metrics: async () => ({ contentType: metrics.contentType, body: await metrics.render() }),
    asProblem: (error, requestId) => problemOf(log, error, requestId),
  };
}

function findAdminKey(config: Config, profile: Profile): { key: string | null; file: string | null } {
  if (config.apiKey !== null) return { key: config.apiKey, file: null };
  if (profile === 'production') return { key: null, file: null };
  const file = join(config.dataDir, ADMIN_KEY_FILE);
  return { key: loadOrCreateApiKey(file, systemRandomness).key, file };
}

/** A URL that works from this machine: "any address" is no address to go to. */
function listeningUrl(config: Config, address: AddressInfo | string | null): string {
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  const anyHost = config.host === '0.0.0.0' || config.host === '::';
  const host = anyHost ? '127.0.0.1' : config.host;
  const scheme = config.tlsCert === null ? 'http' : 'https';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function registerGauges(metrics: PrometheusMetrics, gateway: Gateway, budget: BodyBudget): void {
  const { queries, upkeep } = gateway.services.store;
  metrics.registerGauge(
    'ringback_attempts_in_flight',
    'Attempts under way',
    () => gateway.dispatcher.load().inFlight,
  );
  metrics.registerGauge('ringback_ingest_bytes', 'Bytes of bodies being taken in', () => budget.usedBytes);
  metrics.registerGauge('ringback_store_bytes', 'Size of the store in bytes', () => upkeep.sizeBytes());
  metrics.registerGauge('ringback_deliveries_pending', 'Deliveries that wait, by destination', async () =>
    (await queries.backlogs()).map(({ destinationId, pending }) => ({
      value: pending,
      labels: { destination: destinationId },
    })),
  );
}
