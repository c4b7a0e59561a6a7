import { z } from 'zod';
import { durationField, sizeIn } from '../../api/fields.ts';
import type { Expectation, SimulatedProvider, SimulatedType, Simulation } from '../../app/simulation.ts';
import { type SimulationFault, simulationFaults } from '../../app/simulation.ts';
import { nearestName } from '../../config/nearest-name.ts';
import { type ReferenceSources, resolveReferences } from '../apply/references.ts';
import { byPlace, type FileMistake, type FilePath } from '../apply/settings-file.ts';
import { readYaml, type YamlText } from '../apply/yaml-places.ts';
import { isRecord, recordOf } from '../json-value.ts';
import { CliFailure } from '../output.ts';
import { chosenProvider, chosenType, faultMistake } from './choose-events.ts';
import type { TargetWish } from './target.ts';

const expectations = {
  accepted: 'accepted',
  refused: 'refused',
  duplicate: 'duplicate',
  too_large: 'too large',
} as const;

const stepSchema = z.strictObject({
  name: z.string().max(200).optional(),
  wait: durationField('0s', '1h').optional(),
  provider: z.string().optional(),
  type: z.string().optional(),
  count: z.int().min(1).max(1_000_000).optional(),
  rate: z.number().min(0.01).max(10_000).optional(),
  object: z.string().max(200).optional(),
  bad: z.enum(simulationFaults).optional(),
  data: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
  data_file: z.string().optional(),
  slow_for: durationField('0s', '10m').optional(),
  size: sizeIn.optional(),
  expect: z.enum(['accepted', 'refused', 'duplicate', 'too_large']).optional(),
});

const targetSchema = z.strictObject({
  to: z.url({ protocol: /^https?$/ }).optional(),
  source: z.string().min(1).optional(),
  secret: z.string().min(1).optional(),
  private_key: z.string().min(1).optional(),
  key_id: z.string().min(1).optional(),
  signed_url: z.url({ protocol: /^https?$/ }).optional(),
  verification: z.record(z.string(), z.unknown()).optional(),
  config: z.record(z.string(), z.string()).optional(),
});

const fileSchema = z.strictObject({
  version: z.literal(1),
  targets: z.record(z.string(), targetSchema).optional(),
  steps: z.array(stepSchema).min(1),
});

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(fileSchema.shape),
  steps: Object.keys(stepSchema.shape),
  targets: Object.keys(targetSchema.shape),
};

/** What one step sends. */
export interface ScenarioEvents {
  readonly provider: SimulatedProvider;
  readonly type: SimulatedType;
  readonly fault: SimulationFault | null;
  readonly count: number;
  readonly rate: number | null;
  readonly object: string | null;
  readonly data: Uint8Array | null;
  readonly slowMs: number;
  readonly sizeBytes: number | null;
  readonly expected: Expectation | null;
}

/** One step: first it waits, then it sends; either may be absent. */
export interface ScenarioStep {
  readonly name: string | null;
  readonly waitMs: number;
  readonly events: ScenarioEvents | null;
}

/** A scenario as its file has it. */
export interface Scenario {
  readonly steps: readonly ScenarioStep[];
  /** By provider. */
  readonly targets: ReadonlyMap<string, TargetWish>;
  /** In the order of the file; with any of them nothing must be played. */
  readonly mistakes: readonly FileMistake[];
}

/** What reading takes: references to the environment and to files, and the bytes of bodies. */
export interface ScenarioSources extends ReferenceSources {
  readonly readBytes: (path: string) => Uint8Array;
}

/** Reads a scenario and lists every mistake in it. Never throws. */
export function readScenario(text: string, simulation: Simulation, sources: ScenarioSources): Scenario {
  return new ScenarioReader(readYaml(text), simulation, sources).read();
}

class ScenarioReader {
  readonly #yaml: YamlText;
  readonly #simulation: Simulation;
  readonly #sources: ScenarioSources;
  readonly #mistakes: FileMistake[] = [];

  constructor(yaml: YamlText, simulation: Simulation, sources: ScenarioSources) {
    this.#yaml = yaml;
    this.#simulation = simulation;
    this.#sources = sources;
  }

  read(): Scenario {
    for (const mistake of this.#yaml.mistakes) this.#mistakes.push({ path: '', ...mistake });
    const resolved = resolveReferences(this.#yaml.value, this.#sources);
    for (const { path, message } of resolved.missing) this.#refuse(path, message);
    if (this.#yaml.mistakes.length === 0) this.#checkShape(resolved.value);
    const root = recordOf(resolved.value);
    const targets = Object.entries(recordOf(root['targets'])).flatMap(([id, target]) =>
      this.#target(id, target),
    );
    const steps = Array.isArray(root['steps']) ? root['steps'] : [];
    return {
      targets: new Map(targets),
      steps: steps.flatMap((step: unknown, index) => this.#step(step, index)),
      mistakes: this.#mistakes.toSorted(byPlace),
    };
  }

  #checkShape(root: unknown): void {
    const parsed = fileSchema.safeParse(root);
    if (parsed.success) return;
    for (const issue of parsed.error.issues) {
      const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
      if (issue.code === 'unrecognized_keys') for (const key of issue.keys) this.#unknown(path, key);
      else
        this.#refuse(
          path,
          path.length === 0 ? 'must hold "version: 1" and "steps:"' : messageOf(root, path, issue.message),
        );
    }
  }

  #unknown(path: FilePath, key: string): void {
    const known = FIELDS[String(path[0] ?? '')] ?? [];
    const near = nearestName(key, known);
    this.#refuse(
      [...path, key],
      `is not a field here; ${near === null ? `known are ${known.join(', ')}` : `did you mean "${near}"?`}`,
    );
  }

  #target(id: string, target: unknown): (readonly [string, TargetWish])[] {
    const provider = this.#tried(['targets', id], () => chosenProvider(this.#simulation, id));
    const parsed = targetSchema.safeParse(target);
    if (provider === undefined || !parsed.success) return [];
    const {
      to,
      source,
      secret,
      private_key: privateKey,
      key_id: keyId,
      signed_url: signedUrl,
      verification,
      config = {},
    } = parsed.data;
    if (to !== undefined && source !== undefined)
      this.#refuse(['targets', id, 'source'], 'cannot stand beside "to"');
    const own = {
      ...(secret === undefined ? {} : { secret }),
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(keyId === undefined ? {} : { keyId }),
      ...(verification === undefined ? {} : { verification }),
      config,
    };
    return [[provider.id, { to, source, signedUrl, own }]];
  }

  #step(step: unknown, index: number): ScenarioStep[] {
    const parsed = stepSchema.safeParse(step);
    const fields = recordOf(step);
    // With a mistake elsewhere in the step, the provider and the type are checked all the same.
    const chosen = this.#chosen(fields, ['steps', index]);
    if (!parsed.success) return [];
    const { name = null, wait = 0, count = 1, rate = null, object = null, bad = null } = parsed.data;
    const { slow_for: slowMs = 3_000, size = null, expect } = parsed.data;
    if (chosen === undefined) return [{ name, waitMs: wait, events: null }];
    const events: ScenarioEvents = {
      ...chosen,
      fault: bad,
      count,
      rate,
      object,
      data: this.#data(parsed.data, ['steps', index]),
      slowMs,
      sizeBytes: size,
      expected: expect === undefined ? null : expectations[expect],
    };
    return [{ name, waitMs: wait, events }];
  }

  #chosen(
    fields: Readonly<Record<string, unknown>>,
    path: FilePath,
  ): Pick<ScenarioEvents, 'provider' | 'type'> | undefined {
    const { provider: id, type: typeText, bad } = fields;
    if (typeof id !== 'string') {
      const lost = Object.keys(fields).filter((field) => field !== 'wait' && field !== 'name');
      if (id === undefined && lost.length > 0)
        this.#refuse(path, `needs a "provider" for its ${lost.join(', ')}`);
      else if (id === undefined && fields['wait'] === undefined)
        this.#refuse(path, 'needs a "provider" or a "wait"');
      return undefined;
    }
    const provider = this.#tried([...path, 'provider'], () => chosenProvider(this.#simulation, id));
    if (provider === undefined) return undefined;
    const hasData = fields['data'] !== undefined || fields['data_file'] !== undefined;
    const text = typeof typeText === 'string' ? typeText : undefined;
    const type = this.#tried([...path, 'type'], () => chosenType(this.#simulation, provider, text, hasData));
    const fault = simulationFaults.find((each) => each === bad) ?? null;
    const mistake = faultMistake(this.#simulation, provider, fault, undefined);
    if (mistake !== undefined) this.#refuse([...path, 'bad'], oneLine(mistake));
    return type === undefined ? undefined : { provider, type };
  }

  #data({ data, data_file: file }: z.output<typeof stepSchema>, path: FilePath): Uint8Array | null {
    if (data !== undefined && file !== undefined)
      this.#refuse([...path, 'data_file'], 'cannot stand beside "data"');
    if (data !== undefined) return new TextEncoder().encode(JSON.stringify(data));
    if (file === undefined) return null;
    try {
      return this.#sources.readBytes(file);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      this.#refuse(
        [...path, 'data_file'],
        `${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`,
      );
      return null;
    }
  }

  #tried<T>(path: FilePath, choose: () => T): T | undefined {
    try {
      return choose();
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      this.#refuse(path, oneLine(error));
      return undefined;
    }
  }

  #refuse(path: FilePath, message: string): void {
    this.#mistakes.push({ ...this.#yaml.placeOf(path), path: path.join('.'), message });
  }
}

function messageOf(root: unknown, path: FilePath, message: string): string {
  let value: unknown = root;
  for (const part of path)
    value = Array.isArray(value) ? value[Number(part)] : isRecord(value) ? value[part] : undefined;
  return value === undefined ? 'is required' : message.replace(/^Invalid (?:input|option): /, '');
}

// The heading and what helps at once; where all of them are listed is for the command line.
function oneLine({ message }: CliFailure): string {
  const [heading = '', ...points] = message.split('\n  - ');
  const helpful = points.filter((point) => /^(?:did you mean|there are:|what applies:)/.test(point));
  return [heading, ...helpful].join('; ');
}
