// By itself, so that the command line can name the faults without loading the table of providers.
export { expectationOf, simulationFaults } from '../../../packages/client/src/simulate/faults.ts';
export type { Expectation, SimulationFault } from '../../../packages/client/src/simulate/faults.ts';
