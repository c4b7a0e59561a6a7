/**
 * Preloaded (`--import`) into every thread of a gateway: lets it die before a chosen SQL statement, in the
 * middle of a transaction. What is chosen stands in the file that CHAOS_DEATH_FILE names: an inside
 * (`retention`) and the statement's number there (`3`). The file is removed at the death, so that the next
 * process lives.
 */
import { readFileSync, rmSync } from 'node:fs';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { Client } from 'pg';
import { INSIDES } from './statement-insides.ts';

const FILE = process.env['CHAOS_DEATH_FILE'] ?? '';

let planned = '';
let passesLeft = 0;

function insideOf(sql: string): string | null {
  for (const [inside, pattern] of Object.entries(INSIDES)) if (pattern.test(sql)) return inside;
  return null;
}

/** Called before a statement that belongs to an inside. The file is looked at each time: it may be new. */
function reach(inside: string): void {
  let plan: string;
  try {
    plan = readFileSync(FILE, 'utf8').trim();
  } catch {
    return;
  }
  const [wanted, onPass] = plan.split(' ');
  if (wanted !== inside) return;
  if (plan !== planned) {
    planned = plan;
    passesLeft = Number(onPass);
  }
  passesLeft -= 1;
  if (passesLeft > 0) return;
  rmSync(FILE, { force: true });
  process.kill(process.pid, 'SIGKILL');
}

const insides = new WeakMap<StatementSync, string>();
// Called with the right `this` below.
// oxlint-disable-next-line typescript/unbound-method
const { prepare, exec } = DatabaseSync.prototype;

DatabaseSync.prototype.prepare = function prepareWatched(this: DatabaseSync, ...args) {
  const statement = prepare.apply(this, args);
  const inside = insideOf(args[0]);
  if (inside !== null) insides.set(statement, inside);
  return statement;
};

DatabaseSync.prototype.exec = function execWatched(this: DatabaseSync, sql: string) {
  const inside = insideOf(sql);
  if (inside !== null) reach(inside);
  exec.call(this, sql);
};

for (const name of ['run', 'get', 'all'] as const) {
  const original = StatementSync.prototype[name] as (...values: unknown[]) => unknown;
  const watched = function watched(this: StatementSync, ...values: unknown[]): unknown {
    const inside = insides.get(this);
    if (inside !== undefined) reach(inside);
    return original.apply(this, values);
  };
  Object.defineProperty(StatementSync.prototype, name, { value: watched });
}

// oxlint-disable-next-line typescript/unbound-method
const query = Client.prototype.query as (...args: unknown[]) => unknown;
const queryWatched = function queryWatched(this: Client, ...args: unknown[]): unknown {
  const [first] = args;
  const sql = typeof first === 'string' ? first : ((first as { text?: string } | null)?.text ?? '');
  const inside = insideOf(sql);
  if (inside !== null) reach(inside);
  return query.apply(this, args);
};
Object.defineProperty(Client.prototype, 'query', { value: queryWatched });
