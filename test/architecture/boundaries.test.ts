import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, run } from './repository.ts';

interface Plant {
  readonly breaks: string;
  /** File and text of each planted file, relative to the root. */
  readonly files: Readonly<Record<string, string>>;
  readonly rule: string;
}

const longBody = (lines: number): string =>
  Array.from({ length: lines }, (_, index) => `  total += count * ${index};`).join('\n');

const PLANTS: readonly Plant[] = [
  {
    breaks: 'core imports a package',
    files: { 'src/core/planted-package.ts': `import { z } from 'zod';\nexport const planted = z;\n` },
    rule: 'no-restricted-imports',
  },
  {
    breaks: 'core imports a Node builtin',
    files: {
      'src/core/planted-builtin.ts': `import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n`,
    },
    rule: 'no-restricted-imports',
  },
  {
    breaks: 'domain imports ports',
    files: {
      'src/domain/planted-ports.ts': `import type { Clock } from '../ports/clock.ts';\nexport type Planted = Clock;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'ports import core',
    files: {
      'src/ports/planted-core.ts': `import type { Gateway } from '../core/gateway.ts';\nexport type Planted = Gateway;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'core imports an adapter',
    files: {
      'src/core/planted-adapter.ts': `import type { PrometheusMetrics } from '../telemetry/metrics.ts';\nexport type Planted = PrometheusMetrics;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'an adapter imports another adapter',
    files: {
      'src/senders/planted-adapter.ts': `import type { PrometheusMetrics } from '../telemetry/metrics.ts';\nexport type Planted = PrometheusMetrics;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'one store imports another',
    files: {
      'src/stores/memory/planted-store.ts': `export { openSqliteStore } from '../sqlite/open.ts';\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'what the SQL stores share imports one of them',
    files: {
      'src/stores/sql/planted-sql.ts': `export { openSqliteStore } from '../sqlite/open.ts';\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'an adapter that is no store imports what the SQL stores share',
    files: {
      'src/senders/planted-sql.ts': `import type { Row } from '../stores/sql/row-readers.ts';\nexport type Planted = Row;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'an adapter imports core',
    files: {
      'src/security/planted-core.ts': `import type { Gateway } from '../core/gateway.ts';\nexport type Planted = Gateway;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'http imports core',
    files: {
      'src/http/planted-core.ts': `import type { Gateway } from '../core/gateway.ts';\nexport type Planted = Gateway;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'the client imports the gateway',
    files: {
      'packages/client/src/planted-domain.ts': `import type { Event } from '../../../src/domain/event.ts';\nexport type Planted = Event;\n`,
    },
    rule: 'boundaries(dependencies)',
  },
  {
    breaks: 'a folder that belongs to nothing',
    files: { 'src/utils/planted.ts': `export const planted = 1;\n` },
    rule: 'boundaries(no-unknown-files)',
  },
  {
    breaks: 'two files import types from each other',
    files: {
      'src/core/planted-cycle-a.ts': `import type { B } from './planted-cycle-b.ts';\nexport interface A {\n  readonly b: B | null;\n}\n`,
      'src/core/planted-cycle-b.ts': `import type { A } from './planted-cycle-a.ts';\nexport interface B {\n  readonly a: A | null;\n}\n`,
    },
    rule: 'import(no-cycle)',
  },
  {
    breaks: 'a value of type any',
    files: { 'src/api/planted-any.ts': `export const planted: any = JSON.parse('1');\n` },
    rule: 'typescript(no-explicit-any)',
  },
  {
    breaks: 'a line printed past the logger',
    files: { 'src/api/planted-console.ts': `console.log('planted');\n` },
    rule: 'no-console',
  },
  {
    breaks: 'a promise that nobody waits for',
    files: {
      'src/api/planted-promise.ts': `async function planted(): Promise<void> {\n  await Promise.resolve();\n}\nplanted();\n`,
    },
    rule: 'typescript(no-floating-promises)',
  },
  {
    breaks: 'a switch that forgets a case',
    files: {
      'src/domain/planted-switch.ts': `export function planted(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1;\n  }\n  return 2;\n}\n`,
    },
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    breaks: 'a file of more than 500 lines',
    files: {
      'src/domain/planted-file.ts': Array.from(
        { length: 501 },
        (_, n) => `export const planted${n} = ${n};\n`,
      ).join(''),
    },
    rule: 'max-lines',
  },
  {
    breaks: 'a function of more than 60 lines',
    files: {
      'src/domain/planted-function.ts': `export function planted(count: number): number {\n  let total = 0;\n${longBody(60)}\n  return total;\n}\n`,
    },
    rule: 'max-lines-per-function',
  },
];

interface Finding {
  readonly code: string;
  readonly filename: string;
  readonly message: string;
}

describe('the rules of the architecture', () => {
  let copy = '';
  let findings: readonly Finding[] = [];

  // One run over a copy with everything planted: seconds instead of minutes, and whatever goes wrong,
  // nothing is left in the tree.
  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'ringback-boundaries-'));
    for (const part of [
      'src',
      'packages',
      'test/support',
      '.oxlintrc.json',
      'tsconfig.json',
      'package.json',
    ]) {
      // What other tests build meanwhile is no part of the tree.
      cpSync(ROOT + part, join(copy, part), { recursive: true, filter: (path) => basename(path) !== 'dist' });
    }
    symlinkSync(`${ROOT}node_modules`, join(copy, 'node_modules'), 'junction');
    for (const { files } of PLANTS) {
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(copy, file)), { recursive: true });
        writeFileSync(join(copy, file), text);
      }
    }
    const oxlint = `${ROOT}node_modules/oxlint/bin/oxlint`;
    const { stdout, stderr } = run(process.execPath, [oxlint, '--type-aware', '--format', 'json'], {
      cwd: copy,
      timeoutMs: 120_000,
    });
    if (!stdout.startsWith('{')) throw new Error(`oxlint did not run: ${stdout}${stderr}`);
    findings = (JSON.parse(stdout) as { diagnostics: Finding[] }).diagnostics;
  }, 120_000);

  afterAll(() => {
    rmSync(copy, { recursive: true, force: true });
  });

  it.each(PLANTS.map((plant) => [plant.breaks, plant] as const))('report: %s', (_, { files, rule }) => {
    for (const file of Object.keys(files)) {
      const found = findings.filter(({ filename }) => filename === file).map(({ code }) => code);
      expect(found.filter((code) => code.includes(rule))).not.toEqual([]);
    }
  });

  it('report nothing in the tree as it is', () => {
    const planted = new Set(PLANTS.flatMap(({ files }) => Object.keys(files)));
    expect(findings.filter(({ filename }) => !planted.has(filename))).toEqual([]);
  });
});
