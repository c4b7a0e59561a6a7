import type { SimulatedProvider, SimulatedType, Simulation, SimulationFault } from '../../app/simulation.ts';
import { simulationFaults } from '../../app/simulation.ts';
import { nearestName } from '../../config/nearest-name.ts';
import { cliName } from '../cli-name.ts';
import { type CliFailure, printable, usageFailure } from '../output.ts';

/** The provider that is meant. Throws a usage failure that helps when there is none. */
export function chosenProvider({ simulator }: Simulation, id: string): SimulatedProvider {
  const provider = simulator.find(id.toLowerCase()) ?? simulator.find(id);
  if (provider !== undefined) return provider;
  const near = nearestName(id, simulator.ids()) ?? simulator.ids().find((known) => known.startsWith(id));
  throw usageFailure(`there is no provider "${printable(id)}"`, [
    ...(near === undefined || near === null ? [] : [`did you mean ${near}?`]),
    `all of them: ${cliName()} simulate --list`,
  ]);
}

/** The type that is meant; the usual one when none is named. `hasData`: any type will do. */
export function chosenType(
  { simulator }: Simulation,
  provider: SimulatedProvider,
  text: string | undefined,
  hasData: boolean,
): SimulatedType {
  const [usual] = provider.types;
  if (text === undefined && usual !== undefined) return usual;
  const found = text === undefined ? undefined : simulator.type(provider, text);
  if (found !== undefined) return found;
  if (text !== undefined && hasData) return simulator.otherType(provider, text);
  const names = provider.types.map(({ written }) => written);
  const near = nearestName(text ?? '', names);
  throw usageFailure(`there is no payload of the type "${printable(text ?? '')}" for ${provider.id}`, [
    ...(near === null ? [] : [`did you mean ${near}?`]),
    `there are: ${names.join(', ')}`,
    'any other type, with a body of your own: --data FILE',
  ]);
}

/** Why a fault makes no sense for a provider, with those that do; undefined when it does. */
export function faultMistake(
  { simulator }: Simulation,
  provider: SimulatedProvider,
  fault: SimulationFault | null,
  verification: unknown,
): CliFailure | undefined {
  const obstacle = fault === null ? undefined : simulator.obstacle(provider.id, fault, verification);
  if (obstacle === undefined) return undefined;
  return usageFailure(`--bad ${fault} means nothing for ${provider.id}: ${obstacle}`, [
    `what applies: ${applicableFaults(simulator, provider, verification).join(', ')}`,
  ]);
}

export function applicableFaults(
  simulator: Simulation['simulator'],
  provider: SimulatedProvider,
  verification?: unknown,
): SimulationFault[] {
  return simulationFaults.filter(
    (fault) => simulator.obstacle(provider.id, fault, verification) === undefined,
  );
}
