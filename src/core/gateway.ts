import type { SendResult } from '../domain/outcome.ts';
import type { Destination } from '../domain/settings.ts';
import type { NodeRole } from '../domain/node-role.ts';
import type { RejectionBounds } from '../ports/store.ts';
import { Acceptance } from './acceptance.ts';
import { Attempts } from './attempt.ts';
import { Chains } from './chains.ts';
import { DestinationHealth } from './destination-health.ts';
import { Directory } from './directory.ts';
import { type DispatchLimits, Dispatcher } from './dispatch.ts';
import { EventTypeChecks } from './event-type-checks.ts';
import { EventTypes } from './event-types.ts';
import { EventViews } from './event-views.ts';
import { Explain } from './explain.ts';
import { Ingest } from './ingest.ts';
import { KeyUses } from './key-uses.ts';
import { LearnedSecrets } from './learned-secrets.ts';
import { NodeMembership } from './node-membership.ts';
import { OPERATOR_SOURCE, OperatorEvents } from './operator-events.ts';
import { OutboundRequests } from './outbound-request.ts';
import { OwedDeliveries } from './owed-deliveries.ts';
import { Publish } from './publish.ts';
import { Redactions } from './redactions.ts';
import { Registration } from './registration.ts';
import { Duplicates } from './duplicates.ts';
import { Rejections } from './rejections.ts';
import { Replays } from './replay.ts';
import { Retention, type RetentionPolicy } from './retention.ts';
import { SecretRotation } from './secret-rotation.ts';
import type { Services } from './services.ts';
import { GATEWAY_ITSELF, SettingsChanges } from './settings-changes.ts';
import { Suspensions } from './suspensions.ts';
import { SourceSilence } from './source-silence.ts';
import { SourceExpiry } from './source-expiry.ts';
import { StoreFollower } from './store-follower.ts';

export interface GatewayOptions {
  readonly version: string;
  readonly dispatch: DispatchLimits;
  readonly rejections: RejectionBounds;
  readonly retention: RetentionPolicy;
  readonly dedupeWindowMs: number;
  /** Deliveries in a row after which a chain of events is ended. */
  readonly maxHops: number;
  readonly roles: readonly NodeRole[];
  /** Payload fields of every event that nobody is shown. */
  readonly redact: readonly string[];
}

/** The use cases, wired to each other. Starting and stopping is all that they do of themselves. */
export class Gateway {
  readonly services: Services;
  readonly directory: Directory;
  readonly dispatcher: Dispatcher;
  readonly acceptance: Acceptance;
  readonly eventTypes: EventTypes;
  readonly views: EventViews;
  readonly eventTypeChecks: EventTypeChecks;
  readonly ingest: Ingest;
  readonly publish: Publish;
  readonly settings: SettingsChanges;
  readonly replays: Replays;
  readonly explain: Explain;
  readonly rejections: Rejections;
  readonly duplicates: Duplicates;
  readonly retention: Retention;
  readonly sourceExpiry: SourceExpiry;
  readonly operatorEvents: OperatorEvents;
  readonly health: DestinationHealth;
  readonly suspensions: Suspensions;
  readonly silence: SourceSilence;
  readonly redactions: Redactions;
  readonly keyUses: KeyUses;
  readonly secretRotation: SecretRotation;
  readonly learnedSecrets: LearnedSecrets;
  readonly nodes: NodeMembership;
  readonly registration: Registration;
  readonly #requests: OutboundRequests;
  readonly #follower: StoreFollower;

  constructor(services: Services, options: GatewayOptions) {
    this.services = services;
    this.directory = new Directory(services);
    this.nodes = new NodeMembership(services, this.directory, options.roles);
    this.keyUses = new KeyUses(services);
    this.views = new EventViews(services, this.directory);
    this.#requests = new OutboundRequests(services, this.directory, this.views, options.version);
    this.operatorEvents = new OperatorEvents(services, this.directory);
    this.health = new DestinationHealth(services, this.operatorEvents, {
      disable: (destination, reason) => this.#disable(destination, reason),
      hold: (destinationId) => this.dispatcher.hold(destinationId),
      goOn: (destinationId) => this.dispatcher.wake(destinationId, services.clock.now()),
    });
    this.suspensions = new Suspensions(services, this.directory, this.operatorEvents, {
      suspend: (id, reason) => this.#suspend(id, reason),
      wake: (destinationId, dueAt) => this.dispatcher.wake(destinationId, dueAt),
    });
    this.dispatcher = this.#makeDispatcher(options);
    const owed = new OwedDeliveries(services, this.directory, this.dispatcher, this.views);
    this.duplicates = new Duplicates(services);
    const chains = new Chains(services, this.operatorEvents, options.maxHops);
    this.acceptance = new Acceptance(services, owed, this.dispatcher, chains, this.duplicates);
    this.operatorEvents.publishThrough((event) =>
      this.acceptance.accept({ event, parsed: undefined }, null, OPERATOR_SOURCE),
    );
    this.rejections = new Rejections(services, this.directory, options.rejections);
    this.eventTypes = new EventTypes(services, this.directory);
    this.eventTypeChecks = new EventTypeChecks(services, this.directory);
    this.publish = new Publish(
      services,
      this.directory,
      this.acceptance,
      { chains, types: this.eventTypes },
      options.dedupeWindowMs,
    );
    this.#follower = new StoreFollower(
      services,
      this.directory,
      this.dispatcher,
      this.acceptance,
      this.health,
    );
    this.settings = new SettingsChanges(services, this.directory, this.dispatcher, this.#follower);
    this.registration = new Registration(services, this.directory, this.settings);
    this.learnedSecrets = new LearnedSecrets(services, this.settings, this.operatorEvents);
    this.redactions = new Redactions(services, this.directory, options.redact);
    this.silence = new SourceSilence(services, this.directory, this.operatorEvents);
    this.ingest = new Ingest(services, this.directory, this.acceptance, this.rejections, {
      types: this.eventTypes,
      learnedSecrets: this.learnedSecrets,
      nodes: this.nodes,
      silence: this.silence,
    });
    this.secretRotation = new SecretRotation(services, this.directory, this.settings);
    this.replays = new Replays(services, this.directory, this.dispatcher, this.views, this.nodes);
    this.explain = new Explain(services, this.directory, this.health, this.views);
    this.retention = new Retention(services, options.retention, this.operatorEvents, this.nodes);
    this.sourceExpiry = new SourceExpiry(services, this.directory, this.settings, GATEWAY_ITSELF);
  }

  #makeDispatcher(options: GatewayOptions): Dispatcher {
    const { services } = this;
    const attempts = new Attempts(
      services,
      this.directory,
      this.#requests,
      this.health,
      this.operatorEvents,
      this.suspensions,
    );
    return new Dispatcher(services, this.directory, attempts, this.health, this.nodes, options.dispatch);
  }

  /**
   * Loads the settings, joins the other nodes, then takes up what was pending when the last process ended.
   * `endedNodes`: ids of nodes that certainly no longer run; what they had leased is free.
   */
  async start(endedNodes: readonly string[] = []): Promise<void> {
    // Before the first read, so that no change falls between the two.
    this.#follower.start();
    this.directory.follow(await this.services.store.settings.load());
    await this.keyUses.start();
    await this.health.load();
    await this.nodes.start(
      {
        over: () => this.dispatcher.over(),
        openBreakers: () => this.health.openBreakers(),
        leaveAlone: (ids, recovered) => this.health.leaveAlone(ids, recovered),
        partsChanged: () => this.dispatcher.partsChanged(),
        heard: () => this.dispatcher.heard(),
        wasSilent: () => this.dispatcher.holdAll(),
        lead: () => void this.replays.takeUp(),
      },
      endedNodes,
    );
    await this.silence.start();
    if (!this.nodes.roles.includes('deliver')) return;
    this.suspensions.start();
    await this.dispatcher.start();
    this.retention.start();
    this.sourceExpiry.start();
  }

  /** Lets what is under way finish and be recorded. The caller has stopped the intake before. */
  async stop(): Promise<void> {
    await this.#follower.stop();
    await this.suspensions.stop();
    await this.silence.stop();
    await this.replays.stop();
    await this.retention.stop();
    await this.sourceExpiry.stop();
    await this.dispatcher.stop();
    await this.rejections.flush();
    await this.duplicates.stop();
    await this.keyUses.stop();
    await this.nodes.stop();
  }

  /** Sends one signed request outside of the log, to see whether a destination works. */
  async sendTest(
    destination: Destination,
    body: Uint8Array,
  ): Promise<{ readonly webhookId: string; readonly result: SendResult }> {
    const request = this.#requests.buildTest(destination, body, this.services.clock.now());
    return { webhookId: request.webhookId, result: await this.services.sender.send(request) };
  }

  /** Its deliveries have only failed for long: they are held until someone resumes it. */
  async #suspend(id: string, reason: string): Promise<void> {
    const at = this.services.clock.now();
    await this.settings.setSuspended(id, { at, reason }, GATEWAY_ITSELF);
  }

  /** 410 (Standard Webhooks 1.0.0), or five days of nothing but failures: it is gone for good. */
  async #disable(destination: Destination, reason: string): Promise<void> {
    // Attempts that were under way together all find out; one of them is enough.
    if (this.directory.destination(destination.id)?.state !== 'enabled') return;
    try {
      await this.settings.setDestinationState(destination.id, 'disabled', reason, GATEWAY_ITSELF);
      this.operatorEvents.tell('destination.disabled', destination.tenant, destination.id, {
        destination_id: destination.id,
        name: destination.name,
        reason,
      });
    } catch (error) {
      this.services.log.error('destination.disable_failed', {}, error);
    }
  }
}
