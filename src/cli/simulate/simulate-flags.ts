import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type SimulationFault, simulationFaults } from '../../app/simulation.ts';
import { nearestName } from '../../config/nearest-name.ts';
import { parseDuration, parseSize } from '../../domain/units.ts';
import { addConnectionOptions, type CommandFlags } from '../connect.ts';
import { Inputs, jsonValue, ValueMistake } from '../field-values.ts';
import { isRecord } from '../json-value.ts';
import { usageFailure } from '../output.ts';
import type { TargetWish } from './target.ts';

/** What some providers show or sign besides a secret, as options: `topicArn` is `--topic-arn`. */
export const PROVIDER_SETTINGS: Readonly<Record<string, string>> = {
  apiKey: 'livekit: the API key that the token names',
  audience: 'google_chat, pubsub: whom the token is for',
  certUrl: 'paypal, sns: where the certificate would be',
  encryptKey: 'lark: the key of encrypted questions',
  endpoint: 'ebay: the address that was registered',
  headerName: 'assemblyai, aws_eventbridge_apikey, token: the header of the token',
  key: 'pusher: the key of the app',
  publicKey: 'braintree: the public key of the account',
  serviceAccount: 'pubsub: the account that signs',
  topicArn: 'sns: the topic',
  verificationCode: 'fitbit: the code of the subscriber',
  verificationToken: 'ebay: the token of the handshake',
  verifyToken: 'meta, strava: the token of the handshake',
  webhookId: 'paypal: the id of the webhook',
};

/** Gives the command its options. */
export function addSimulateOptions(command: Command): void {
  command
    .option(
      '--source <source>',
      'the source to send to: its id or name (default: one of its own, simulate-PROVIDER)',
    )
    .option('--to <url>', 'send to this address instead')
    .option('--count <number>', 'how many events (default 1)')
    .option('--rate <number>', 'events a second; without it each waits for the answer to the one before')
    .option('--data <file>', 'the body to send instead; - = standard input')
    .option('--object <name>', 'events with the same name are about the same object: they have the same key')
    .option('--bad <kind>', `make them go wrong: ${simulationFaults.join(', ')}`)
    .option('--slow-for <duration>', 'with --bad slow: how long the body takes (default 3s)')
    .option('--size <size>', 'with --bad oversize: how large (default: more than the source takes)')
    .option('--print [form]', 'print the request, as curl (default) or http, and send nothing')
    .option('--scenario <file>', 'play the steps of a YAML file; - = standard input')
    .option('--list', 'the providers, or the types of the provider that is named')
    .optionsGroup('What signs:')
    .option(
      '--secret <text>',
      'the secret; @FILE or - keep it out of the shell history (or RINGBACK_SIMULATE_SECRET)',
    )
    .option('--private-key <file>', 'PEM file with the key of a provider that signs with one (PKCS #8)')
    .option('--key-id <id>', 'the id under which the receiver knows the key')
    .option('--signed-url <url>', 'the address that is signed, where it differs from the one that is called')
    .option('--verification <json>', 'the scheme of a provider that has none, or of "hmac": JSON or @FILE');
  for (const [name, description] of Object.entries(PROVIDER_SETTINGS)) {
    command.option(`--${kebab(name)} <text>`, description);
  }
  addConnectionOptions(command, { hasOwnUrl: false });
  const json = command.options.find(({ long }) => long === '--json');
  if (json !== undefined) json.description = 'one line of JSON for each request; with --list a list';
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The options of one run, read. */
export interface SimulateFlags {
  readonly wish: TargetWish;
  readonly fault: SimulationFault | null;
  readonly count: number;
  readonly rate: number | null;
  readonly data: Uint8Array | null;
  readonly object: string | null;
  readonly slowMs: number;
  readonly sizeBytes: number | null;
}

/** Reads the options; every mistake in them is told at once. */
export function readFlags(flags: CommandFlags): SimulateFlags {
  const reader = new FlagReader(flags);
  const read = reader.read();
  if (reader.mistakes.length > 0) throw usageFailure('the options cannot be used:', reader.mistakes);
  return read;
}

class FlagReader {
  readonly mistakes: string[] = [];
  readonly #flags: CommandFlags;
  readonly #inputs = new Inputs();

  constructor(flags: CommandFlags) {
    this.#flags = flags;
  }

  read(): SimulateFlags {
    return {
      wish: this.#wish(),
      fault: this.#fault(),
      count: this.#number('count', 1, 1_000_000, true) ?? 1,
      rate: this.#number('rate', 0.01, 10_000, false),
      data: this.#data(),
      object: this.#text('object') ?? null,
      slowMs: this.#converted('slowFor', '--slow-for', parseDuration, 'a duration such as 3s') ?? 3_000,
      sizeBytes: this.#converted('size', '--size', parseSize, 'a size such as 5MiB'),
    };
  }

  #wish(): TargetWish {
    const environment = process.env['RINGBACK_SIMULATE_SECRET'];
    const secret = this.#expanded('secret', '--secret') ?? (environment === '' ? undefined : environment);
    const privateKey = this.#file('privateKey', '--private-key');
    const keyId = this.#text('keyId');
    const verification = this.#verification();
    return {
      to: this.#text('to'),
      source: this.#text('source'),
      signedUrl: this.#text('signedUrl'),
      own: {
        ...(secret === undefined ? {} : { secret: secret.trim() }),
        ...(privateKey === undefined ? {} : { privateKey }),
        ...(keyId === undefined ? {} : { keyId }),
        ...(verification === undefined ? {} : { verification }),
        config: Object.fromEntries(
          Object.keys(PROVIDER_SETTINGS).flatMap((name) => {
            const text = this.#text(name);
            return text === undefined ? [] : [[name, text] as const];
          }),
        ),
      },
    };
  }

  #fault(): SimulationFault | null {
    const text = this.#text('bad');
    if (text === undefined) return null;
    const fault = simulationFaults.find((each) => each === text);
    if (fault === undefined) {
      const near = nearestName(text, simulationFaults);
      const hint = near === null ? '' : `; did you mean ${near}?`;
      this.mistakes.push(`--bad "${text}" is none of ${simulationFaults.join(', ')}${hint}`);
    }
    return fault ?? null;
  }

  #verification(): Readonly<Record<string, unknown>> | undefined {
    const text = this.#expanded('verification', '--verification');
    if (text === undefined) return undefined;
    const value = this.#attempt(() => jsonValue('--verification', text));
    if (isRecord(value)) return value;
    if (value !== undefined) this.mistakes.push('--verification must be a JSON object');
    return undefined;
  }

  #number(name: string, least: number, most: number, whole: boolean): number | null {
    const text = this.#text(name);
    if (text === undefined) return null;
    const number = Number(text);
    if (text.trim() !== '' && number >= least && number <= most && (!whole || Number.isInteger(number)))
      return number;
    this.mistakes.push(
      `--${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not "${text}"`,
    );
    return null;
  }

  #converted(
    name: string,
    flag: string,
    convert: (text: string) => number | null,
    wanted: string,
  ): number | null {
    const text = this.#text(name);
    if (text === undefined) return null;
    const value = convert(text);
    if (value === null) this.mistakes.push(`${flag} must be ${wanted}, not "${text}"`);
    return value;
  }

  #data(): Uint8Array | null {
    const path = this.#text('data');
    if (path === undefined) return null;
    // Bytes, not text: what is signed must be what is in the file.
    return (
      this.#attempt(() => (path === '-' ? Buffer.from(this.#inputs.stdin('--data')) : bytesOf(path))) ?? null
    );
  }

  #expanded(name: string, flag: string): string | undefined {
    const text = this.#text(name);
    return text === undefined ? undefined : this.#attempt(() => this.#inputs.expand(text, flag));
  }

  #file(name: string, flag: string): string | undefined {
    const path = this.#text(name);
    return path === undefined
      ? undefined
      : this.#attempt(() => this.#inputs.file(path.replace(/^@/, ''), flag));
  }

  #attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ValueMistake)) throw error;
      this.mistakes.push(error.message);
      return undefined;
    }
  }

  #text(name: string): string | undefined {
    const value = this.#flags[name];
    return typeof value === 'string' ? value : undefined;
  }
}

/** The bytes of a file that an option names. */
export function bytesOf(path: string, flag = '--data'): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ValueMistake(
      `${flag}: cannot read ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`,
    );
  }
}
