import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulationKeys } from '../../app/simulation.ts';
import { isRecord, parseJson, recordOf, textOf, textsOf } from '../json-value.ts';
import { failure } from '../output.ts';

/** Keys that sign simulations, by the source that accepts them: files that only their owner can read. */
export class KeyStore {
  readonly #folder: string;

  /** @param dataDir the folder where a gateway on this machine keeps its data. */
  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'simulate');
  }

  pathOf(sourceId: string): string {
    return join(this.#folder, `${sourceId}.json`);
  }

  /** The keys of a source; undefined when there are none. */
  read(sourceId: string): SimulationKeys | undefined {
    const path = this.pathOf(sourceId);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw failure(`${path} cannot be read`, [error instanceof Error ? error.message : String(error)]);
    }
    const parsed = parseJson(text);
    if (!('value' in parsed) || !isRecord(parsed.value)) {
      throw failure(`${path} is damaged`, ['delete it: new keys are made the next time']);
    }
    return keysOf(parsed.value);
  }

  write(sourceId: string, keys: SimulationKeys): void {
    const path = this.pathOf(sourceId);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    // Whole or not at all: half a file would be a damaged one.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(keys)}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  }
}

function keysOf(value: Readonly<Record<string, unknown>>): SimulationKeys {
  const privateKey = textOf(value, 'privateKey');
  const keyId = textOf(value, 'keyId');
  const texts = Object.entries(recordOf(value['config'])).flatMap(([name, text]) =>
    typeof text === 'string' ? [[name, text] as const] : [],
  );
  return {
    secrets: textsOf(value['secrets']),
    config: Object.fromEntries(texts),
    ...(privateKey === null ? {} : { privateKey }),
    ...(keyId === null ? {} : { keyId }),
    ...(value['verification'] === undefined ? {} : { verification: value['verification'] }),
  };
}
