import { expect, it } from 'vitest';
import { START_MS } from './builders.ts';
import { FakeClock } from './fake-clock.ts';

it('wakes timers at their time and in order, those set meanwhile too', async () => {
  const clock = new FakeClock();
  const woken: string[] = [];
  const note = (name: string) => (): void => {
    woken.push(`${name}@${clock.now() - START_MS}`);
  };
  clock.after(30, note('c'));
  clock.after(10, () => {
    note('a')();
    clock.after(10, note('b'));
    clock.after(0, note('at once'));
  });
  clock.after(30, note('d'));
  clock.after(41, note('later'));

  await clock.advance(40);
  expect(woken).toEqual(['a@10', 'at once@10', 'b@20', 'c@30', 'd@30']);
  expect(clock.now()).toBe(START_MS + 40);
  expect(clock.waiting).toBe(1);
  expect(clock.nextInMs).toBe(1);
});

it('wakes nothing before its time', async () => {
  const clock = new FakeClock(0);
  let woken = 0;
  clock.after(10, () => (woken += 1));
  await clock.advance(9);
  expect(woken).toBe(0);
  await clock.advance(1);
  expect(woken).toBe(1);
});

it('forgets a cancelled timer; cancelling late or twice does nothing', async () => {
  const clock = new FakeClock(0);
  let woken = 0;
  const cancelFirst = clock.after(10, () => (woken += 1));
  const cancelSecond = clock.after(10, () => (woken += 10));
  cancelFirst();
  cancelFirst();
  await clock.advance(20);
  cancelSecond();
  expect(woken).toBe(10);
  expect(clock.waiting).toBe(0);
});

it('lets what a timer started go on before the next timer', async () => {
  const clock = new FakeClock(0);
  const seen: number[] = [];
  const work = async (): Promise<void> => {
    for (let step = 0; step < 50; step += 1) await Promise.resolve();
    seen.push(clock.now());
  };
  clock.after(1, () => void work());
  clock.after(2, () => void work());
  await clock.advance(2);
  expect(seen).toEqual([1, 2]);
});

it('moves the wall clock without moving timers', async () => {
  const clock = new FakeClock(1_000_000);
  let wokenAt = 0;
  clock.after(10, () => (wokenAt = clock.now()));
  clock.jump(-500_000);
  expect(clock.now()).toBe(500_000);
  await clock.advance(9);
  expect(wokenAt).toBe(0);
  await clock.advance(1);
  expect(wokenAt).toBe(500_010);
});

it('runs until something is done, or tells that it was not', async () => {
  const clock = new FakeClock(0);
  let rounds = 0;
  const again = (): void => {
    rounds += 1;
    clock.after(100, again);
  };
  clock.after(100, again);
  expect(await clock.runUntil(() => rounds === 3)).toBe(true);
  expect(clock.now()).toBe(300);
  expect(await clock.runUntil(() => false, 250)).toBe(false);
  expect(rounds).toBe(5);
});

it('runs until no timer waits', async () => {
  const clock = new FakeClock(0);
  clock.after(5, () => clock.after(7, () => undefined));
  await clock.runUntilIdle();
  expect(clock.now()).toBe(12);
  expect(clock.waiting).toBe(0);
});
