import type { SimulatedProvider, Simulation } from '../../app/simulation.ts';
import { simulationFaults } from '../../app/simulation.ts';
import { cliName } from '../cli-name.ts';
import { shortened } from '../format.ts';
import { paint, printJson, printNote, printRows, printText } from '../output.ts';
import { HANDSHAKE } from './ask-questions.ts';
import { applicableFaults } from './choose-events.ts';

/** `simulate --list`: every provider with its types. */
export function listProviders({ simulator }: Simulation, json: boolean): void {
  const found = simulator.ids().flatMap((id) => simulator.find(id) ?? []);
  if (json) {
    printJson(found.map((provider) => providerJson(simulator, provider)));
    return;
  }
  const rows = found.map(({ id, types }) => [
    id,
    shortened(types.map(({ written }) => written).join(', '), 100),
  ]);
  printRows(['PROVIDER', 'TYPES'], rows);
  printNote(`\none of them: ${cliName()} simulate github --list`);
}

/** `simulate PROVIDER --list`: its types, and what can go wrong. */
export function listTypes({ simulator }: Simulation, provider: SimulatedProvider, json: boolean): void {
  if (json) {
    printJson(providerJson(simulator, provider));
    return;
  }
  const rows = provider.types.map(({ written, eventType }) => [written, eventType]);
  printRows(['TYPE', 'EVENT TYPE'], rows);
  for (const { name, obstacle } of simulator.questions(provider.id)) {
    if (obstacle === undefined) printText(`${HANDSHAKE}: ${name}`);
    else printText(paint('dim', `not ${HANDSHAKE} ${name}: ${obstacle}`));
  }
  printText(`\nshape from: ${provider.from}`);
  printText(`--bad: ${applicableFaults(simulator, provider).join(', ')}`);
  for (const fault of simulationFaults) {
    const obstacle = simulator.obstacle(provider.id, fault);
    if (obstacle !== undefined) printText(paint('dim', `  not ${fault}: ${obstacle}`));
  }
}

function providerJson(simulator: Simulation['simulator'], provider: SimulatedProvider): unknown {
  return {
    provider: provider.id,
    types: provider.types.map(({ written, eventType }) => ({ name: written, event_type: eventType })),
    shape_from: provider.from,
    bad: applicableFaults(simulator, provider),
    handshakes: simulator
      .questions(provider.id)
      .flatMap(({ name, obstacle }) => (obstacle === undefined ? [name] : [])),
  };
}
