import type { Provider } from '../verify/provider.ts';
import type { Scheme } from '../verify/scheme.ts';
import { schemeCovers } from '../verify/scheme-covers.ts';

/** The ways in which a simulated request can go wrong, or only look as if it did. */
export const simulationFaults = [
  'signature',
  'timestamp',
  'body',
  'missing-header',
  'duplicate',
  'out-of-order',
  'oversize',
  'chunked',
  'slow',
] as const;

/** One of them. */
export type SimulationFault = (typeof simulationFaults)[number];

/** What a gateway must do with a request; `answered`: as the provider wants its question answered. */
export type Expectation = 'accepted' | 'refused' | 'duplicate' | 'too large' | 'answered';

/** What a request with this fault (or without any) must meet with. */
export function expectationOf(fault: SimulationFault | undefined): Expectation {
  switch (fault) {
    case 'signature':
    case 'timestamp':
    case 'body':
    case 'missing-header':
      return 'refused';
    case 'oversize':
      return 'too large';
    case 'duplicate':
      return 'duplicate';
    case 'out-of-order':
    case 'chunked':
    case 'slow':
    case undefined:
    default:
      return 'accepted';
  }
}

/**
 * Why a fault means nothing for a scheme; undefined when it can be simulated. `provider` undefined: a
 * source with a scheme of its own.
 */
export function faultObstacle(
  fault: SimulationFault,
  scheme: Scheme,
  provider: Provider | undefined,
): string | undefined {
  switch (fault) {
    case 'signature':
    case 'missing-header':
      return scheme.kind === 'none' ? 'nothing is proven, so nothing can be missing or wrong' : undefined;
    case 'timestamp':
      return timestampObstacle(scheme);
    case 'body':
      return bodyObstacle(scheme);
    case 'duplicate':
      return provider === undefined ? 'no rule says which of its events are the same' : undefined;
    case 'out-of-order':
    case 'oversize':
    case 'chunked':
    case 'slow':
    default:
      return undefined;
  }
}

const functionsWithTime: readonly string[] = ['contentful', 'coinbase-cdp', 'mailchannels'];

function timestampObstacle(scheme: Scheme): string | undefined {
  const none = 'the proof has no timestamp';
  if (scheme.kind === 'jwt') return undefined;
  if (scheme.kind === 'custom') return functionsWithTime.includes(scheme.fn) ? undefined : none;
  if (!('ts' in scheme) || scheme.ts === undefined) return none;
  return typeof scheme.ts.past === 'number'
    ? undefined
    : 'the sender names no age from which its timestamp is too old, so an old one is accepted';
}

function bodyObstacle(scheme: Scheme): string | undefined {
  const covers = schemeCovers(scheme);
  // A checksum of the body is no protection, but it does notice a change.
  const isNoticed = 'content' in scheme && /\{(?:body|form)[|}]/.test(scheme.content);
  if (covers === 'body' || isNoticed) return undefined;
  return covers === 'metadata'
    ? 'the proof covers a part of the fields only, so other changes are accepted'
    : 'the proof says nothing of the body, so a changed one is accepted';
}
