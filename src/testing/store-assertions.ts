import { expect } from 'vitest';
import type { Delivery } from '../domain/delivery.ts';
import type { Event } from '../domain/event.ts';
import type { Appended, AppendRequest } from '../ports/event-log.ts';
import type { Page, PageRequest } from '../ports/queries.ts';
import type { Store } from '../ports/store.ts';

/** The first page, as large as a page may be. */
export const FIRST_PAGE: PageRequest = { limit: 500, before: null };

/** Appends and expects that each was written. */
export async function appendEach(
  store: Store,
  ...requests: readonly AppendRequest[]
): Promise<readonly Appended[]> {
  const answers: Appended[] = [];
  for (const request of requests) answers.push(await store.log.append(request));
  expect(answers.map((answer) => answer.eventId)).toEqual(requests.map(({ event }) => event.id));
  return answers;
}

/** Expects every field, the order and repeats of the headers and each byte of the body to be the same. */
export function expectSameEvent(actual: Event | null | undefined, expected: Event): void {
  expect(withoutBody(actual)).toEqual(withoutBody(expected));
  // Not by `toEqual`: it takes seconds for a body of a mebibyte.
  expect(actual?.body).toBeInstanceOf(Uint8Array);
  expect(Buffer.compare(actual?.body ?? new Uint8Array(0), expected.body)).toBe(0);
}

function withoutBody(event: Event | null | undefined): Record<string, unknown> {
  const { body: _body, ...rest }: Record<string, unknown> = { ...event };
  delete rest['seq'];
  return rest;
}

/** The delivery, which must be there. */
export async function deliveryOf(store: Store, id: string): Promise<Delivery> {
  const delivery = await store.queries.delivery(id);
  if (delivery === null) throw new Error(`there is no delivery ${id}`);
  return delivery;
}

/** Follows a list from the newest to the end and returns its pages. */
export async function pagesOf<Item>(
  limit: number,
  read: (page: PageRequest) => Promise<Page<Item>>,
): Promise<readonly (readonly Item[])[]> {
  const pages: (readonly Item[])[] = [];
  let before: number | null = null;
  do {
    const page: Page<Item> = await read({ limit, before });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    if (page.next !== null && before !== null) expect(page.next).toBeLessThan(before);
    pages.push(page.items);
    before = page.next;
  } while (before !== null);
  return pages;
}

/** Every item of a list, newest first. */
export async function allOf<Item>(
  read: (page: PageRequest) => Promise<Page<Item>>,
  limit = 500,
): Promise<readonly Item[]> {
  return (await pagesOf(limit, read)).flat();
}

/** Ids, in the order given. */
export function idsOf(items: readonly { readonly id: string }[]): string[] {
  return items.map((item) => item.id);
}
