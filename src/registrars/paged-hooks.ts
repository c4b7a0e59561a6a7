import { isRecord } from '../../packages/client/src/verify/reference.ts';

const MAX_PAGES = 50;

/** Looks for the webhook with this URL through lists of `data` that say whether they have more. */
export async function findInPages(
  hookUrl: string,
  ask: (after: string | null) => Promise<unknown>,
): Promise<unknown> {
  let after: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    // One page tells where the next one begins.
    // oxlint-disable-next-line no-await-in-loop
    const answer: unknown = await ask(after);
    const data = isRecord(answer) && Array.isArray(answer['data']) ? (answer['data'] as unknown[]) : [];
    const ours = data.find((hook) => isRecord(hook) && hook['url'] === hookUrl);
    if (ours !== undefined) return ours;
    const last = data.at(-1);
    const id = isRecord(last) ? last['id'] : undefined;
    if (!isRecord(answer) || answer['has_more'] !== true || typeof id !== 'string') return null;
    after = id;
  }
  return null;
}
