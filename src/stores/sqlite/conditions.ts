import type { SQLInputValue } from 'node:sqlite';
import type { Page } from '../../ports/queries.ts';
import { number, type Row } from './rows.ts';

/** Collects the parts of a WHERE clause with their values. */
export class Conditions {
  readonly #parts: string[] = [];
  readonly values: SQLInputValue[] = [];

  add(part: string, ...values: SQLInputValue[]): void {
    this.#parts.push(part);
    this.values.push(...values);
  }

  addIf(part: string, value: SQLInputValue | undefined): void {
    if (value !== undefined) this.add(part, value);
  }

  sql(): string {
    return this.#parts.length === 0 ? '' : `WHERE ${this.#parts.join(' AND ')}`;
  }
}

/** A page of rows that were asked for with one more than `limit`, so that the end shows. */
export function pageOf<Item>(
  rows: readonly Row[],
  limit: number,
  placeColumn: string,
  read: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: shown.map((row) => read(row)), next: more ? number(last, placeColumn) : null };
}
