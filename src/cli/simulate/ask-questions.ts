import type { SimulatedHandshake, SimulatedProvider, Simulation } from '../../app/simulation.ts';
import { cliName } from '../cli-name.ts';
import { failure, paint, printNote, usageFailure } from '../output.ts';
import { isWanted, type Outcome, readAnswer, readFailure } from './judge-answer.ts';
import type { RequestSender } from './send-request.ts';
import type { Target } from './target.ts';

/** What stands in the place of a type for the questions about the URL itself. */
export const HANDSHAKE = 'handshake';

/** The questions of a provider, made for a target. Throws a failure when none can be asked of it. */
export async function madeQuestions(
  { simulator }: Simulation,
  provider: SimulatedProvider,
  { signedUrl, keys }: Target,
): Promise<SimulatedHandshake[]> {
  const made: SimulatedHandshake[] = [];
  const questions = simulator.questions(provider.id, keys.config);
  if (questions.every(({ obstacle }) => obstacle !== undefined))
    throw failure(
      `nothing that ${provider.id} asks can be asked here`,
      questions.map(({ name, obstacle }) => `${name}: ${obstacle ?? ''}`),
    );
  for (const [position, { name, obstacle }] of questions.entries()) {
    if (obstacle !== undefined) printNote(paint('dim', `not asked: ${name} (${obstacle})`, process.stderr));
    // oxlint-disable-next-line no-await-in-loop -- two or three, and in the order of the table
    else made.push(await simulator.ask(provider.id, position, { url: signedUrl, keys }));
  }
  return made;
}

/** Throws a usage failure when there is nothing to ask. */
export function checkQuestions({ simulator }: Simulation, provider: SimulatedProvider): void {
  const questions = simulator.questions(provider.id);
  if (questions.some(({ obstacle }) => obstacle === undefined)) return;
  const askers = simulator
    .ids()
    .filter((id) => simulator.questions(id).some(({ obstacle }) => obstacle === undefined));
  throw usageFailure(
    questions.length === 0
      ? `${provider.id} asks nothing about the address`
      : `what ${provider.id} asks cannot be simulated: ${questions[0]?.obstacle ?? ''}`,
    [`these do: ${askers.join(', ')}`, `an event instead: ${cliName()} simulate ${provider.id}`],
  );
}

/** Asks one question and judges the answer. */
export async function asked(
  question: SimulatedHandshake,
  number: number,
  provider: SimulatedProvider,
  sender: RequestSender,
): Promise<Outcome> {
  const told = {
    number,
    provider: provider.id,
    eventType: `${provider.id} ${HANDSHAKE}: ${question.name}`,
    fault: null,
    expected: 'answered' as const,
  };
  try {
    const received = await sender.send(question.request, { kind: 'whole' });
    return { ...readAnswer(received), ...told, isAsExpected: isWanted(question.wanted, received) };
  } catch (error) {
    return { ...readFailure(error), ...told, isAsExpected: false };
  }
}
