import type { Simulator } from '../verifiers/simulation/simulator.ts';

export { expectationOf, simulationFaults } from '../verifiers/simulation/fault-names.ts';
export type { Expectation, SimulationFault } from '../verifiers/simulation/fault-names.ts';
export type {
  EventWish,
  HandshakeQuestion,
  MadeKeys,
  SignedRequest,
  SimulatedHandshake,
  SimulatedProvider,
  SimulatedType,
  SimulationKeys,
  Simulator,
} from '../verifiers/simulation/simulator.ts';

/** The simulator and what belongs to it. */
export type Simulation = typeof import('../verifiers/simulation/simulator.ts') & {
  readonly simulator: Simulator;
};

/** Loads the table of providers and their payloads: only who simulates pays for it. */
export async function loadSimulation(): Promise<Simulation> {
  const module = await import('../verifiers/simulation/simulator.ts');
  return { ...module, simulator: new module.Simulator() };
}
