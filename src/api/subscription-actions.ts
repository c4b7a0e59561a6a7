import { z } from 'zod';
import { idParams, nothing } from './fields.ts';
import { operation } from './operation.ts';
import { subscriptionOut, subscriptionView } from './subscriptions.ts';

const suspend = operation({
  name: 'subscriptions.suspend',
  method: 'POST',
  path: '/v1/subscriptions/{id}/suspend',
  scope: 'manage',
  summary: 'Hold what a subscription is owed; nothing is dropped',
  params: idParams,
  query: nothing,
  body: z.strictObject({ reason: z.string().max(200).optional().describe('shown with the subscription') }),
  output: subscriptionOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings, services } = context.gateway;
    const suspended = {
      at: services.clock.now(),
      reason: body.reason ?? 'suspended_by_operator',
    };
    return subscriptionView(await settings.setSuspended(params.id, suspended, context.caller));
  },
});

const resume = operation({
  name: 'subscriptions.resume',
  method: 'POST',
  path: '/v1/subscriptions/{id}/resume',
  scope: 'manage',
  summary: 'Let a suspended subscription go on; what was held goes out, oldest first',
  params: idParams,
  query: nothing,
  body: nothing,
  output: subscriptionOut.extend({ released: z.int().describe('deliveries that were held and are due now') }),
  status: 200,
  run: async (context, { params }) => {
    const { settings, suspensions } = context.gateway;
    const before = settings.find('subscription', params.id, context.caller.principal);
    // Again and again is fine: what the first time left is let go by the next.
    const isSuspended = (before.suspended ?? null) !== null;
    const after = isSuspended ? await settings.setSuspended(params.id, null, context.caller) : before;
    return { ...subscriptionView(after), released: await suspensions.release(params.id) };
  },
});

/** Operations that hold what a subscription is owed, and let it go. */
export const subscriptionActionOperations = [suspend, resume];
