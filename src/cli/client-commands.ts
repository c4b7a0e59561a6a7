import type { Command } from 'commander';
import { addApplyCommand } from './apply/apply-command.ts';
import { addExportCommand } from './apply/export-command.ts';
import { addBinCommand } from './bin/bin-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addListenCommand } from './listen/listen-command.ts';
import { addOperationCommands } from './operation-commands.ts';
import { addSimulateCommand } from './simulate/simulate-command.ts';
import { addTailCommand } from './tail-command.ts';
import { addWhyCommand } from './why-command.ts';

/** What is asked of a gateway that runs, or of this machine. */
export function addClientCommands(program: Command): void {
  program.commandsGroup('Use a gateway:');
  const events = addOperationCommands(program).get('events');
  if (events !== undefined) addTailCommand(events);
  addSimulateCommand(program);
  addListenCommand(program);
  addBinCommand(program);
  program.commandsGroup('Settings as code:');
  addApplyCommand(program);
  addExportCommand(program);
  program.commandsGroup('Find out:');
  addWhyCommand(program);
  addDoctorCommand(program);
}
