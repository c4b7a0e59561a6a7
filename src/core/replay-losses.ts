import type { Replay, ReplayFilter, ReplayLosses } from '../domain/records.ts';
import type { Queries, ReplayQueries } from '../ports/queries.ts';

type Asked = Pick<Replay, 'filter' | 'tenant'>;
type Log = Pick<Queries, 'lastSeq' | 'eventsAfter'> & Pick<ReplayQueries, 'countReplay'>;

export async function lossesOf({ filter, tenant }: Asked, log: Log): Promise<ReplayLosses> {
  const eventIds = [...new Set(filter.eventIds)];
  const deliveryIds = [...new Set(filter.deliveryIds)];
  const absent = async (named: ReplayFilter, over: Replay['over'], ids: readonly string[]) =>
    ids.length === 0 ? 0 : ids.length - (await log.countReplay(named, over, tenant)).matched;
  const missing =
    (await absent({ eventIds }, 'events', eventIds)) +
    (await absent({ deliveryIds }, 'deliveries', deliveryIds));
  return { missing, cutBefore: await cutBefore(filter, missing, log) };
}

/** Who names ids has lost something only if one of them is missing; else it is the time that decides. */
async function cutBefore(filter: ReplayFilter, missing: number, log: Log): Promise<number | null> {
  const { prunedSeq } = await log.eventsAfter(await log.lastSeq(), {}, 1);
  if (prunedSeq === 0) return null;
  const edge = Math.floor(prunedSeq / 1_000) + 1;
  const namesIds = filter.eventIds !== undefined || filter.deliveryIds !== undefined;
  const isCut = namesIds ? missing > 0 : (filter.from ?? 0) < edge;
  return isCut ? edge : null;
}
