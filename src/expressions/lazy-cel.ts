import { createRequire } from 'node:module';
import type { Expressions } from '../ports/expressions.ts';
import type { CelOptions } from './cel.ts';

/**
 * `createCelExpressions`, loaded at the first expression: the CEL library with its protobuf takes 130 ms
 * and 14 MiB, which a gateway whose subscriptions have no filter need not pay.
 */
export function createLazyCelExpressions(options: CelOptions = {}): Expressions {
  let loaded: Expressions | null = null;
  return {
    compile: (source) => {
      loaded ??= loadCel().createCelExpressions(options);
      return loaded.compile(source);
    },
  };
}

/** With `require`, because a caller that compiles an expression does not wait for anything else. */
function loadCel(): typeof import('./cel.ts') {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const load: (path: string) => typeof import('./cel.ts') = createRequire(import.meta.url);
  return load(`./cel${ending}`);
}
