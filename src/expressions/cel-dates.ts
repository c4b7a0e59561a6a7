import { celMethod, CelScalar, objectType, type CelFunc } from '@bufbuild/cel';
import { timestampDate, TimestampSchema, type Timestamp } from '@bufbuild/protobuf/wkt';

const MAX_ZONES = 100;
const DAY_MS = 86_400_000;

const zones = new Map<string, Intl.DateTimeFormat>();

/** Whether the zone needs no new formatter, which would take some 180 µs. */
export function isKnownZone(zone: string): boolean {
  return zones.has(zone) || fixedOffsetMs(zone) !== null;
}

/**
 * `getHours()` and its like (langdef, "Timezones"), in UTC or the zone given.
 *
 * The library's go through dates in the server's own zone and are an hour off when that one changes
 * to summer time.
 */
export function dateMethods(): CelFunc[] {
  const { INT, STRING } = CelScalar;
  const timestamp = objectType(TimestampSchema);
  const parts: Readonly<Record<string, (date: Date) => number>> = {
    getFullYear: (date) => date.getUTCFullYear(),
    getMonth: (date) => date.getUTCMonth(),
    getDate: (date) => date.getUTCDate(),
    getDayOfMonth: (date) => date.getUTCDate() - 1,
    getDayOfWeek: (date) => date.getUTCDay(),
    getDayOfYear: (date) => Math.floor((date.getTime() - startOfYear(date)) / DAY_MS),
    getHours: (date) => date.getUTCHours(),
    getMinutes: (date) => date.getUTCMinutes(),
    getSeconds: (date) => date.getUTCSeconds(),
    getMilliseconds: (date) => date.getUTCMilliseconds(),
  };
  return Object.entries(parts).flatMap(([name, part]) => [
    celMethod(name, timestamp, [], INT, function () {
      return BigInt(part(timestampDate(this.message)));
    }),
    celMethod(name, timestamp, [STRING], INT, function (zone) {
      return BigInt(part(wallClock(this.message, zone)));
    }),
  ]);
}

/** A date whose UTC parts are what a clock in `zone` shows. */
function wallClock(instant: Timestamp, zone: string): Date {
  const date = timestampDate(instant);
  const offsetMs = fixedOffsetMs(zone);
  if (offsetMs !== null) return new Date(date.getTime() + offsetMs);
  const shown = new Map(
    formatterOf(zone)
      .formatToParts(date)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): number => shown.get(type) ?? 0;
  const shifted = new Date(0);
  shifted.setUTCFullYear(part('year'), part('month') - 1, part('day'));
  shifted.setUTCHours(part('hour'), part('minute'), part('second'), date.getUTCMilliseconds());
  return shifted;
}

function fixedOffsetMs(zone: string): number | null {
  const match = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (match === null) return null;
  const offsetMs = (Number(match[2]) * 60 + Number(match[3])) * 60_000;
  return match[1] === '-' ? -offsetMs : offsetMs;
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone);
  if (known !== undefined) return known;
  const formatter = new Intl.DateTimeFormat('en-US', {
    calendar: 'iso8601',
    hourCycle: 'h23',
    timeZone: zone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  // Names have no case, so that a sender could make up thousands of spellings.
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(zone, formatter);
  return formatter;
}

function startOfYear(date: Date): number {
  return new Date(0).setUTCFullYear(date.getUTCFullYear(), 0, 1);
}
