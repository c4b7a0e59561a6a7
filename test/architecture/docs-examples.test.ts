import { describe, expect, it } from 'vitest';
import { validateScheme } from '../../packages/client/src/verify/validate-scheme.ts';
import { EVENT_FIELDS } from '../../src/core/expression-input.ts';
import { createCelExpressions } from '../../src/expressions/cel.ts';
import type { ExpressionInput } from '../../src/ports/expressions.ts';
import { readText } from './repository.ts';

function blocks(page: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm');
  return Array.from(readText(page).matchAll(fence), ([, text = '']) => text.trim());
}

describe('the examples of docs/filters.md', () => {
  const page = readText('docs/filters.md');
  const sample = JSON.parse(blocks('docs/filters.md', 'json sample')[0] ?? '') as ExpressionInput;
  const examples = Array.from(
    page.matchAll(/^```cel\n([\s\S]*?)^```\n\n(Gives|Fails with) `(.*)`\.$/gm),
    ([, source = '', verb = '', answer = '']) => [source.trim(), verb, answer] as const,
  );

  it('are all followed by their answer', () => {
    expect(examples.length).toBe(blocks('docs/filters.md', 'cel').length);
    expect(examples.length).toBeGreaterThan(8);
  });

  it.each(examples)('%s', (source, verb, answer) => {
    const compiled = createCelExpressions({ eventFields: EVENT_FIELDS }).compile(source);
    if (!compiled.ok) throw new Error(compiled.error.message);
    const result = compiled.expression.evaluate(sample);
    if (verb === 'Gives') expect(result).toEqual({ ok: true, value: JSON.parse(answer) as unknown });
    else expect(result).toEqual({ ok: false, error: answer });
  });
});

describe('the examples of docs/sources.md', () => {
  it.each(blocks('docs/sources.md', 'json verification'))('are valid: %s', (text) => {
    const result = validateScheme(JSON.parse(text));
    expect(result.ok ? [] : result.errors).toEqual([]);
  });

  it('show a mistake that is one', () => {
    const [text = ''] = blocks('docs/sources.md', 'json mistaken');
    const result = validateScheme(JSON.parse(text));
    expect(result.ok ? [] : result.errors.map(({ pointer }) => pointer)).toEqual(['/ts']);
  });
});
