import { type ApiClient, ProblemFailure } from '../api-client.ts';
import { type JsonRecord, recordOf, textOf } from '../json-value.ts';
import { CliFailure, failure, printable } from '../output.ts';
import { apiBody } from './check-entry.ts';
import type { Step } from './plan.ts';
import { graceText } from './plan-view.ts';
import { apiPath, spoken } from './setting-kinds.ts';

/** One step that is done, with what the server answered. */
export interface Done {
  readonly step: Step;
  readonly answer: JsonRecord;
  /** A signing secret that the server made, shown this once. */
  readonly madeSecret: string | null;
}

/**
 * Does the steps in their order. `onDone` hears of each before the next begins: a secret that was made must
 * be in safe hands even when the next step fails.
 *
 * Every step is a whole request, so a run that ends in the middle leaves what is done and a new run goes on.
 */
export async function carryOut(
  api: ApiClient,
  steps: readonly Step[],
  destinationIds: Map<string, string>,
  onDone: (done: Done) => void,
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    try {
      const answer = recordOf(await doStep(api, step, destinationIds));
      const isGiven = recordOf(step.fields['signing'])['secret'] !== undefined || step.secrets.length > 0;
      if (step.kind === 'destinations' && step.action === 'create') {
        destinationIds.set(step.name, textOf(answer, 'id') ?? '');
      }
      onDone({ step, answer, madeSecret: isGiven ? null : textOf(answer, 'secret') });
    } catch (error) {
      throw interrupted(error, step, index, steps.length);
    }
  }
}

async function doStep(
  api: ApiClient,
  step: Step,
  destinationIds: ReadonlyMap<string, string>,
): Promise<unknown> {
  const path = apiPath(step.kind);
  if (step.action === 'delete') return api.call('DELETE', `${path}/${step.id ?? ''}`);
  const body = { ...apiBody(step.kind, step.fields) };
  const destination = body['destination_id'];
  if (typeof destination === 'string')
    body['destination_id'] = destinationIds.get(destination) ?? destination;
  if (step.action === 'create') {
    return api.call('POST', path, { body: step.tenant === null ? body : { ...body, tenant: step.tenant } });
  }
  let answer: unknown = {};
  if (Object.keys(body).length > 0) answer = await api.call('PATCH', `${path}/${step.id ?? ''}`, { body });
  return step.secrets.length === 0 ? answer : addSecrets(api, step);
}

async function addSecrets(api: ApiClient, step: Step): Promise<unknown> {
  const path = `${apiPath(step.kind)}/${step.id ?? ''}`;
  if (step.kind === 'destinations') {
    return api.call('POST', `${path}/rotate-secret`, { body: { secret: step.secrets[0] } });
  }
  let answer: unknown = {};
  // The first in the file is the newest, so it comes last; only the ones from before this run expire.
  for (const [index, secret] of step.secrets.toReversed().entries()) {
    const expiry = index === 0 ? { previous_expire_in: graceText() } : {};
    answer = await api.call('POST', `${path}/secrets`, { body: { secret, ...expiry } });
  }
  return answer;
}

function interrupted(error: unknown, step: Step, done: number, count: number): unknown {
  if (!(error instanceof CliFailure)) return error;
  const heading = `could not ${step.action} ${spoken(step.kind)} "${printable(step.name)}": ${error.message}`;
  const told = failure(heading, [
    `${done} of ${count} changes were made and stay; apply the file again to go on`,
  ]);
  return error instanceof ProblemFailure
    ? new ProblemFailure(error.document, error.status, told.message)
    : told;
}
