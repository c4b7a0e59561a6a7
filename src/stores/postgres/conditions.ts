import type { Page } from '../../ports/queries.ts';
import { number } from './rows.ts';
import type { Row } from './database.ts';

/** Collects the parts of a WHERE clause with their values; `?` stands for the value of a part. */
export class Conditions {
  readonly #parts: string[] = [];
  readonly values: unknown[] = [];

  add(part: string, value: unknown): void {
    const placeholder = this.value(value);
    this.#parts.push(part.replaceAll('?', () => placeholder));
  }

  addIf(part: string, value: unknown): void {
    if (value !== undefined && value !== null) this.add(part, value);
  }

  /** Keeps a value and answers its place holder. */
  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
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
