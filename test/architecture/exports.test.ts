import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readText, ROOT } from './repository.ts';

const DECLARATION =
  /^export (?:declare |abstract |async )*(?:function\*?|const|let|class|interface|type|enum) (\w+)/;

/** Files whose exports others build on without reading the code behind them. */
const DOCUMENTED = globSync('src/{domain,ports,api,testing}/**/*.ts', { cwd: ROOT }).filter(
  (file) => !file.endsWith('.test.ts'),
);

const SOURCES = globSync(['src/**/*.ts', 'packages/*/src/**/*.ts'], { cwd: ROOT });

describe('exports', () => {
  it('have a docstring in domain, ports, api and testing', () => {
    expect(DOCUMENTED.length).toBeGreaterThan(40);
    const bare = DOCUMENTED.flatMap((file) => {
      const lines = readText(file).split('\n');
      return lines.flatMap((line, index) => {
        const name = DECLARATION.exec(line)?.[1];
        if (name === undefined || lines[index - 1]?.trimEnd().endsWith('*/') === true) return [];
        return [`${file}: ${name}`];
      });
    });
    expect(bare).toEqual([]);
  });

  it('come from where they are made: there are no barrels in src', () => {
    expect(globSync('src/**/index.ts', { cwd: ROOT })).toEqual([]);
    // A file of nothing but re-exports is a barrel by another name; those that stay say why.
    const barrels = globSync('src/**/*.ts', { cwd: ROOT }).filter((file) => {
      const code = readText(file)
        .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
        .trim();
      return code !== '' && code.replaceAll(/^export [^;]*? from '[^']+';$/gm, '').trim() === '';
    });
    expect(barrels.toSorted()).toEqual([
      'src/api/gateway-access.ts',
      'src/verifiers/simulation/fault-names.ts',
    ]);
  });

  it('are named after what they do: no utils, helpers, common, types or misc', () => {
    const vague = /(^|\/)(utils?|helpers?|common|types|misc)(\.ts$|\/)/;
    expect(SOURCES.filter((file) => vague.test(file))).toEqual([]);
  });

  it('keep a port small: at most 12 methods in an interface', () => {
    const large = globSync('src/ports/*.ts', { cwd: ROOT }).flatMap((file) =>
      Array.from(readText(file).matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)).flatMap(
        ([, name, body = '']) => {
          const methods = body.match(/^ {2}\w+(<[^>]*>)?\(/gm)?.length ?? 0;
          return methods > 12 ? [`${file}: ${name} has ${methods}`] : [];
        },
      ),
    );
    expect(large).toEqual([]);
  });
});
