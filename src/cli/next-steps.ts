import { cliName } from './cli-name.ts';
import { type JsonRecord, numberOf, textOf, textsOf } from './json-value.ts';
import { paint, printable, printText } from './output.ts';

/** What a person who has just done this probably wants to do next. */
export function printNextSteps(operation: string, answer: JsonRecord): void {
  const steps = STEPS[operation]?.(answer, cliName()) ?? [];
  if (steps.length === 0) return;
  printText('');
  for (const step of steps) printText(paint('dim', step));
}

/** A name as one word of a shell command. */
function word(answer: JsonRecord): string {
  const name = textOf(answer, 'name') ?? textOf(answer, 'id') ?? 'ID';
  return /^[\w.-]+$/.test(name) ? name : (textOf(answer, 'id') ?? 'ID');
}

/** What a replay cannot bring back. */
function lost(answer: JsonRecord): string[] {
  const missing = numberOf(answer, 'missing') ?? 0;
  const before = textOf(answer, 'cut_before');
  return [
    ...(missing === 0
      ? []
      : [`${missing} of the ids that you named ${missing === 1 ? 'is' : 'are'} not there.`]),
    ...(before === null
      ? []
      : [`Retention has removed events received before ${before}: what you want of them may be gone.`]),
  ];
}

const KEEP_SECRET =
  'Keep the secret now: it is not shown again. The receiver checks webhook-signature with it.';

const STEPS: Readonly<Record<string, (answer: JsonRecord, cli: string) => string[]>> = {
  'sources.create': (answer, cli) => [
    `Enter this URL at the sender: ${printable(textOf(answer, 'url') ?? '')}`,
    `Say where its events go: ${cli} subscriptions create --name NAME --sources ${word(answer)} --destination-id DESTINATION`,
  ],
  'destinations.create': (answer, cli) => [
    ...(textOf(answer, 'secret') === null ? [] : [KEEP_SECRET]),
    `Send it a signed test: ${cli} destinations test ${word(answer)}`,
    `Say which events go there: ${cli} subscriptions create --name NAME --destination-id ${word(answer)}`,
  ],
  'destinations.rotate-secret': (answer) => (textOf(answer, 'secret') === null ? [] : [KEEP_SECRET]),
  'destinations.test': (answer) =>
    textOf(answer, 'outcome') === 'succeeded'
      ? []
      : ['The receiver did not take it: look at status, error and response_body above.'],
  'subscriptions.create': (answer, cli) => {
    const type = textsOf(answer['types']).find((pattern) => !pattern.includes('*')) ?? 'test.hello';
    const takesOurs = textsOf(answer['sources']).length === 0 && textOf(answer, 'filter') === null;
    return [
      ...(takesOurs ? [`Try it: ${cli} events publish --type ${type} --data '{"hello":"world"}'`] : []),
      `Watch events come in: ${cli} events tail`,
    ];
  },
  'events.publish': (answer, cli) => [
    ...(numberOf(answer, 'deliveries') === 0 ? ['No subscription wanted it.'] : []),
    `See what becomes of it: ${cli} why ${textOf(answer, 'id') ?? 'ID'}`,
  ],
  'replays.get': (answer) => lost(answer),
  'replays.create': (answer, cli) => {
    const replay = textOf(answer, 'id');
    const next =
      replay === null
        ? 'Nothing was sent. Leave out --dry-run to do it.'
        : `See how far it is: ${cli} replays get ${replay}`;
    return [...lost(answer), next];
  },
  'keys.create': () => [
    'Keep the key now: it is not shown again. Programs send it as "Authorization: Bearer KEY";',
    'this command line takes it from RINGBACK_API_KEY or --key-file.',
  ],
};
