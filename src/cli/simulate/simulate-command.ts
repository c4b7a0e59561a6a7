import type { Command } from 'commander';
import { adminKeyPath } from '../../app/key-files.ts';
import {
  loadSimulation,
  type SignedRequest,
  type SimulatedProvider,
  type Simulation,
} from '../../app/simulation.ts';
import { ApiClient } from '../api-client.ts';
import { cliName } from '../cli-name.ts';
import { connect, type CommandFlags } from '../connect.ts';
import { loadSettings, settingText } from '../load-settings.ts';
import { failure, printJson, printNote, printText, usageFailure } from '../output.ts';
import { asked, checkQuestions, HANDSHAKE, madeQuestions } from './ask-questions.ts';
import { chosenProvider, chosenType, faultMistake } from './choose-events.ts';
import type { Outcome } from './judge-answer.ts';
import { KeyStore } from './key-store.ts';
import { listProviders, listTypes } from './list-payloads.ts';
import { loadScenario, playScenario } from './play-scenario.ts';
import { mannerOf, type Play, Player } from './play-events.ts';
import { curlText, httpText } from './print-request.ts';
import { type Manner, RequestSender } from './send-request.ts';
import { addSimulateOptions, readFlags, type SimulateFlags } from './simulate-flags.ts';
import { findTarget, type Target, type TargetMeans } from './target.ts';
import { outcomeJson, Tally, tellOutcome } from './tell-outcome.ts';

const EXAMPLES = `
Examples:
  simulate github                         an event of the usual type, to a source of its own
  simulate github issues.opened --source github --secret @secret.txt
  simulate stripe invoice.paid --count 100 --rate 20
  simulate slack --bad timestamp          signed yesterday: it must be refused
  simulate slack handshake                the question about the address, and whether it is answered
  simulate shopify orders/create --to http://127.0.0.1:3000/hook --secret @secret.txt
  simulate twilio --print                 as a curl command
  simulate --scenario day.yaml`;

/** `simulate`: sends what a provider would send, really signed. */
export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .summary('send a really signed event of a provider, good or bad')
    .description(
      'Send what a provider would send: the request, byte for byte, with fresh ids and times, and really signed.\n' +
        'Then say whether the receiver did what it must: exit code 1 when it did not.',
    )
    .argument('[provider]', 'who sends: github, stripe, slack, ...; see --list')
    .argument('[type]', 'what happened, e.g. issues.opened (default: the usual type of the provider)')
    .addHelpText('after', EXAMPLES);
  addSimulateOptions(command);
  command.action(async (provider: string | undefined, type: string | undefined) => {
    await new SimulateRun(command, await loadSimulation()).run(provider, type);
  });
}

/** What a run works with. */
interface PlayMeans {
  readonly player: Player;
  readonly sender: RequestSender;
  readonly tell: (outcome: Outcome) => void;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

class SimulateRun {
  readonly #command: Command;
  readonly #flags: CommandFlags;
  readonly #simulation: Simulation;
  readonly #json: boolean;

  constructor(command: Command, simulation: Simulation) {
    this.#command = command;
    this.#flags = command.opts();
    this.#simulation = simulation;
    this.#json = this.#flags['json'] === true;
  }

  async run(providerId: string | undefined, typeText: string | undefined): Promise<void> {
    if (this.#flags['list'] === true) {
      if (providerId === undefined) return listProviders(this.#simulation, this.#json);
      return listTypes(this.#simulation, chosenProvider(this.#simulation, providerId), this.#json);
    }
    const { scenario } = this.#flags;
    if (typeof scenario === 'string') return this.#scenario(scenario, providerId);
    if (providerId === undefined) {
      throw usageFailure('which provider?', [
        `${cliName()} simulate github`,
        `all of them: ${cliName()} simulate --list`,
      ]);
    }
    const flags = readFlags(this.#flags);
    const provider = chosenProvider(this.#simulation, providerId);
    if (typeText === HANDSHAKE) return this.#handshake(provider, flags);
    const type = chosenType(this.#simulation, provider, typeText, flags.data !== null);
    const mistake = faultMistake(this.#simulation, provider, flags.fault, flags.wish.own.verification);
    if (mistake !== undefined) throw mistake;
    const target = await this.#checked(() => findTarget(provider, flags.wish, this.#means()));
    const play: Play = { provider, type, target, ...playOf(flags) };
    if (this.#flags['print'] !== undefined) await this.#print(play);
    else await this.#send(play);
  }

  async #print(play: Play): Promise<void> {
    const sender = new RequestSender();
    const request = await this.#checked(() =>
      new Player(this.#simulation, sender, () => undefined).request(play),
    );
    sender.close();
    this.#printRequest(request, mannerOf(play));
  }

  #printRequest(request: SignedRequest, manner: Manner): void {
    const form = this.#flags['print'] === true ? 'curl' : String(this.#flags['print']);
    if (form !== 'curl' && form !== 'http') throw usageFailure(`--print takes curl or http, not "${form}"`);
    if (this.#json) {
      const { method, url, headers, body } = request;
      printJson({ method, url, headers, body_base64: Buffer.from(body).toString('base64') });
    } else printText(form === 'curl' ? curlText(request) : httpText(request, manner));
  }

  async #handshake(provider: SimulatedProvider, flags: SimulateFlags): Promise<void> {
    if (flags.fault !== null)
      throw usageFailure('--bad is for events; a handshake is only asked as it must be');
    checkQuestions(this.#simulation, provider);
    const target = await this.#checked(() => findTarget(provider, flags.wish, this.#means()));
    const questions = await this.#checked(() => madeQuestions(this.#simulation, provider, target));
    if (this.#flags['print'] !== undefined) {
      for (const { request } of questions) this.#printRequest(request, { kind: 'whole' });
      return;
    }
    if (!this.#json) printNote(`to ${target.label}:`);
    await this.#playing(async ({ sender, tell }) => {
      for (const [index, question] of questions.entries()) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, as a provider asks
        tell(await asked(question, index + 1, provider, sender));
      }
    });
  }

  async #scenario(path: string, providerId: string | undefined): Promise<void> {
    if (providerId !== undefined)
      throw usageFailure('the steps of a scenario name their providers themselves');
    const { wish } = readFlags(this.#flags);
    const scenario = loadScenario(path, this.#simulation);
    const means = this.#means();
    await this.#playing(({ player, signal }) =>
      playScenario(scenario, wish, {
        player,
        signal,
        quiet: this.#json,
        findTarget: (provider, own) => findTarget(provider, own, means),
      }),
    );
  }

  async #send(play: Play): Promise<void> {
    if (!this.#json) printNote(`to ${play.target.label}:`);
    const last = await this.#playing(({ player, signal }) => player.play(play, signal));
    if (!this.#json && last !== undefined) printAdvice(last, play.target);
  }

  /** Tells each outcome as it comes, and at the end what came of all. Gives the last one. */
  async #playing(work: (means: PlayMeans) => Promise<void>): Promise<Outcome | undefined> {
    const tally = new Tally();
    let last: Outcome | undefined;
    const stop = new AbortController();
    const onInterrupt = (): void => stop.abort();
    process.once('SIGINT', onInterrupt);
    const sender = new RequestSender();
    const tell = (outcome: Outcome): void => {
      tally.add(outcome);
      last = outcome;
      if (this.#json) printText(outcomeJson(outcome));
      else tellOutcome(outcome);
    };
    const player = new Player(this.#simulation, sender, tell);
    try {
      await this.#checked(() => work({ player, sender, tell, signal: stop.signal }));
    } finally {
      sender.close();
      process.removeListener('SIGINT', onInterrupt);
    }
    if (!this.#json && tally.text() !== '') printText(tally.text());
    if (tally.unexpected > 0) process.exitCode = 1;
    return last;
  }

  /** What is wrong with keys is the person's to mend, not a bug. */
  async #checked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof this.#simulation.VerifierSettingsError)) throw error;
      throw usageFailure(
        'it cannot be signed:',
        error.errors.map(({ message }) => message),
      );
    }
  }

  #means(): TargetMeans {
    const { dataDir } = this.#flags;
    const loaded = loadSettings('dev', typeof dataDir === 'string' ? { dataDir } : {});
    const folder = settingText(loaded, 'dataDir');
    if (folder === null) throw failure('there is no usable data directory', ['name one: --data-dir DIR']);
    let api: ApiClient | undefined;
    const connected = (): ApiClient => (api ??= connect(this.#command));
    return {
      simulation: this.#simulation,
      store: new KeyStore(folder),
      get api() {
        return connected();
      },
      // Such a gateway made its own first key, here; one in production was given its keys.
      get isDevelopment() {
        return connected().connection.keyOrigin === adminKeyPath(folder);
      },
    };
  }
}

function playOf(flags: SimulateFlags): Omit<Play, 'provider' | 'type' | 'target'> {
  const { fault, count, rate, data, object, slowMs, sizeBytes } = flags;
  return { fault, count, rate, data, object, slowMs, sizeBytes, expected: null };
}

function printAdvice(outcome: Outcome, { label }: Target): void {
  if (outcome.status === null) {
    printNote(`nothing answered at ${label}: is the receiver running?`);
    return;
  }
  const { eventId } = outcome;
  if (eventId !== null) printNote(`what became of it: ${cliName()} why ${eventId}`);
  else if (outcome.expected === 'refused') printNote(`refused requests: ${cliName()} rejections list`);
}
