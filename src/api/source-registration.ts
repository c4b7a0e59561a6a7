import { z } from 'zod';
import { idParams, nothing } from './fields.ts';
import { operation } from './operation.ts';

const registrationOut = z.object({
  action: z
    .enum(['create', 'update', 'renew', 'none'])
    .describe('what was done, or would be; `renew` = it was there, but its secret was nowhere'),
  dry_run: z.boolean(),
  provider: z.string(),
  hook_id: z.string().nullable().describe("the provider's id of the webhook"),
  url: z.string(),
  events: z.array(z.string()),
  secret: z
    .enum(['made', 'received', 'kept'])
    .describe('`made` here, `received` from the provider, or `kept` as it was; it is never shown'),
});

const webUrl = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ''));

const register = operation({
  name: 'sources.register',
  method: 'POST',
  path: '/v1/sources/{id}/register',
  scope: 'manage',
  summary: 'Make the webhook at the provider, or bring the one with this URL up to date',
  description:
    'For github, openai, shopify, stripe and telegram. The token is used for this call and not kept. A secret that the provider makes is kept sealed in the source.',
  params: idParams,
  query: nothing,
  body: z.strictObject({
    token: z
      .string()
      .trim()
      .min(1)
      .max(8_192)
      .describe("a token of the provider's API that may manage webhooks"),
    account: z
      .string()
      .trim()
      .min(1)
      .max(256)
      .optional()
      .describe('github: owner/repository or organisation; shopify: the shop; others: see the guide'),
    events: z
      .array(z.string().trim().min(1).max(128))
      .max(200)
      .optional()
      .describe('what to send, as the provider names it; default all, where there is such a thing'),
    api_url: webUrl.optional().describe("base of the provider's API, where it is not the public one"),
    dry_run: z.boolean().default(false).describe('only tell what would be done'),
    replace: z
      .boolean()
      .default(false)
      .describe("end another's webhook where there can be only one (telegram)"),
    allow_unreachable: z
      .boolean()
      .default(false)
      .describe('also when the URL of this gateway looks as if nobody outside could reach it'),
  }),
  output: registrationOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings, registration } = context.gateway;
    const source = settings.find('source', params.id, context.caller.principal);
    const url = `${context.publicUrl}/in/${source.ingestKey}`;
    const { hookId, ...report } = await registration.register(
      source,
      {
        token: body.token,
        account: body.account ?? null,
        apiUrl: body.api_url ?? null,
        hookUrl: url,
        events: body.events ?? null,
        dryRun: body.dry_run,
        replace: body.replace,
        allowUnreachable: body.allow_unreachable,
      },
      context.caller,
    );
    return {
      ...report,
      events: [...report.events],
      dry_run: body.dry_run,
      provider: source.provider,
      hook_id: hookId,
      url,
    };
  },
});

/** Operations that make a source known to its provider. */
export const sourceRegistrationOperations = [register];
