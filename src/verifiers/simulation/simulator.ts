import type { SimulationFault } from '../../../packages/client/src/simulate/faults.ts';
import { faultObstacle } from '../../../packages/client/src/simulate/faults.ts';
import type { SimulatedHandshake } from '../../../packages/client/src/simulate/handshake.ts';
import {
  handshakeName,
  handshakeObstacle,
  simulateHandshake,
} from '../../../packages/client/src/simulate/handshake.ts';
import type { ProviderPayloads } from '../../../packages/client/src/simulate/payload.ts';
import type { SimulatedEvent, SimulationKeys } from '../../../packages/client/src/simulate/simulate.ts';
import { simulate } from '../../../packages/client/src/simulate/simulate.ts';
import type { CredentialNeeds } from '../../../packages/client/src/verify/credential-needs.ts';
import { credentialNeeds } from '../../../packages/client/src/verify/credential-needs.ts';
import { eventTypeOf } from '../../../packages/client/src/verify/event-identity.ts';
import { findProvider, providerId } from '../../../packages/client/src/verify/provider-table.ts';
import type { SignedRequest } from '../../../packages/client/src/verify/sign/sign-input.ts';
import type { MadeKeys } from './made-keys.ts';
import { makeKeys, simulatedScheme, substituteScheme } from './made-keys.ts';
import { readPayloads } from './payload-files.ts';

export { VerifierSettingsError } from '../../../packages/client/src/verify/reasons.ts';
export type { MadeKeys, SignedRequest, SimulatedHandshake, SimulationKeys };

/** A type of event that can be simulated. */
export interface SimulatedType {
  /** As the provider writes it: `issues.opened`, `orders/create`. */
  readonly written: string;
  /** As the gateway writes it: `com.github.issues.opened`. */
  readonly eventType: string;
}

/** A provider that can be simulated. */
export interface SimulatedProvider {
  readonly id: string;
  /** Where the shape of its payloads is published. */
  readonly from: string;
  readonly types: readonly SimulatedType[];
  readonly needs: CredentialNeeds;
}

/** A question about the URL itself that a provider asks. */
export interface HandshakeQuestion {
  readonly name: string;
  /** Why it cannot be simulated; undefined when it can. */
  readonly obstacle: string | undefined;
}

/** An event to make; what is left out is fresh. */
export type EventWish = Omit<SimulatedEvent, 'payloads'> & { readonly provider: string };

/** Makes signed requests of every provider of the table. */
export class Simulator {
  readonly #payloads = readPayloads();

  ids(): string[] {
    return [...this.#payloads.keys()].toSorted((a, b) => (a < b ? -1 : 1));
  }

  /** Undefined when there is no such provider. Aliases are understood. */
  find(id: string): SimulatedProvider | undefined {
    const payloads = this.#payloads.get(providerId(id));
    if (payloads === undefined) return undefined;
    const types = Object.keys(payloads.types).map((written) => simulatedType(payloads, written));
    return { id: payloads.id, from: payloads.from, types, needs: needsOf(payloads.id) };
  }

  /** The type that a person means: as the provider writes it, or as the gateway does. */
  type(provider: SimulatedProvider, text: string): SimulatedType | undefined {
    const wanted = text.toLowerCase();
    const bare = ({ written, eventType }: SimulatedType): string[] => [
      written,
      eventType,
      eventTypeOf({ brand: '' }, undefined, written),
    ];
    return (
      provider.types.find((type) => bare(type).includes(text)) ??
      provider.types.find((type) => bare(type).some((each) => each.toLowerCase() === wanted))
    );
  }

  /** A type that there is no payload of: its headers can still be made, for a body of one's own. */
  otherType(provider: SimulatedProvider, written: string): SimulatedType {
    const payloads = this.#payloads.get(provider.id);
    return payloads === undefined ? { written, eventType: written } : simulatedType(payloads, written);
  }

  /** Why a fault cannot be simulated for a provider; undefined when it can. */
  obstacle(provider: string, fault: SimulationFault, verification?: unknown): string | undefined {
    const scheme = simulatedScheme(provider, verification ?? substituteScheme(provider));
    return faultObstacle(fault, scheme, findProvider(provider));
  }

  makeKeys(provider: string, given: Readonly<Record<string, string>> = {}): MadeKeys {
    return makeKeys(providerId(provider), given);
  }

  /**
   * The questions that a provider asks about the URL; none for most.
   *
   * @param config the settings of the source that is asked. Default: whichever the question is answered with.
   */
  questions(provider: string, config?: SimulationKeys['config']): HandshakeQuestion[] {
    const rules = findProvider(provider)?.handshakes ?? [];
    return rules.map((rule) => ({ name: handshakeName(rule), obstacle: handshakeObstacle(rule, config) }));
  }

  /** Asks one of them, by its position; it must have no obstacle with these keys. */
  async ask(
    provider: string,
    position: number,
    given: { readonly url: string; readonly keys: SimulationKeys },
  ): Promise<SimulatedHandshake> {
    const rule = findProvider(provider)?.handshakes?.[position];
    if (rule === undefined) throw new Error(`${provider} has no question ${position}`);
    return simulateHandshake(providerId(provider), rule, given);
  }

  /** Throws `VerifierSettingsError` when something to sign with is missing. */
  async make({ provider, ...wish }: EventWish): Promise<SignedRequest> {
    const payloads = this.#payloads.get(providerId(provider));
    if (payloads === undefined) throw new Error(`no payloads of ${provider}`);
    return simulate({ ...wish, payloads });
  }
}

function simulatedType({ id }: ProviderPayloads, written: string): SimulatedType {
  const rules = findProvider(id);
  // Generic sources read no type unless they are told where.
  const eventType = rules === undefined ? written : eventTypeOf(rules, id, written);
  return { written, eventType };
}

function needsOf(id: string): CredentialNeeds {
  const known = findProvider(id);
  const scheme = simulatedScheme(id);
  return credentialNeeds(known?.scheme === undefined ? { evidence: 'recall', scheme } : known);
}
