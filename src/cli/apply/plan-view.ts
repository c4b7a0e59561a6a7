import { formatDuration } from '../../domain/units.ts';
import { asJson, type Cell, paint, printable, printRows, printText, type Style } from '../output.ts';
import { shortened } from '../format.ts';
import type { FieldChange } from './field-changes.ts';
import type { Action, Plan, Step } from './plan.ts';
import { singular, spoken } from './setting-kinds.ts';

const STYLES: Readonly<Record<Action, Style>> = {
  create: 'green',
  update: 'yellow',
  unchanged: 'dim',
  delete: 'red',
};

export const GRACE_MS = 24 * 3_600_000;

export function pendingSteps(plan: Plan): Step[] {
  return plan.steps.filter(({ action }) => action !== 'unchanged');
}

/** The plan as a table: one line for each setting, and one for each further field that changes. */
export function printPlan(plan: Plan, tenants: readonly string[]): void {
  const withTenant = tenants.length > 1;
  const rows = plan.steps.flatMap((step) => {
    const details = step.changes.map(changeText);
    const line = (detail: string, isFirst: boolean): Cell[] => [
      isFirst ? { text: step.action, style: STYLES[step.action] } : '',
      isFirst ? spoken(step.kind) : '',
      ...(withTenant ? [isFirst ? (step.tenant ?? '') : ''] : []),
      isFirst ? printable(step.name) : '',
      detail,
    ];
    return [line(details[0] ?? '', true), ...details.slice(1).map((detail) => line(detail, false))];
  });
  if (rows.length > 0) {
    printRows(['plan', 'kind', ...(withTenant ? ['tenant'] : []), 'name', 'changes'], rows);
    printText('');
  }
  printText(paint('bold', summary(plan)));
  if (plan.uncompared.length === 0) return;
  const names = plan.uncompared.map((name) => printable(name)).join(', ');
  printText(
    paint(
      'dim',
      `secrets cannot be compared and stay as they are: ${names}; --rotate-secrets sends them anew`,
    ),
  );
}

function summary(plan: Plan): string {
  const count = (action: Action): number => plan.steps.filter((step) => step.action === action).length;
  const deleted = count('delete');
  const parts = [
    `${count('create')} to create`,
    `${count('update')} to update`,
    ...(deleted > 0 ? [`${deleted} to delete`] : []),
    `${count('unchanged')} unchanged`,
  ];
  return pendingSteps(plan).length === 0
    ? `nothing to change: ${count('unchanged')} unchanged`
    : parts.join(', ');
}

function changeText({ field, from, to }: FieldChange): string {
  return `${printable(field)}: ${valueText(from)} -> ${valueText(to)}`;
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  return shortened(typeof value === 'string' && value !== '' ? value : asJson(value), 60);
}

/** The plan for programs. */
export function planJson(plan: Plan): unknown {
  return plan.steps.map(({ action, kind, name, tenant, id, changes }) => ({
    action,
    kind: singular(kind),
    name,
    tenant,
    id,
    changes,
  }));
}

export function graceText(): string {
  return formatDuration(GRACE_MS);
}
