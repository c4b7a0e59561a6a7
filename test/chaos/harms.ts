import type { Harm } from './harm.ts';
import { deaths } from './harms/deaths.ts';

/** Every harm by name, in the order of the documentation. */
export const HARMS: Readonly<Record<string, Harm>> = { ...deaths };
