import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { credentialNeeds } from '../packages/client/src/verify/credential-needs.ts';
import type { Evidence, Provider, ProviderTable } from '../packages/client/src/verify/provider.ts';
import { providers } from '../packages/client/src/verify/provider-table.ts';
import { aiProviders } from '../packages/client/src/verify/providers/ai.ts';
import { billingProviders } from '../packages/client/src/verify/providers/billing.ts';
import { callsProviders } from '../packages/client/src/verify/providers/calls.ts';
import { chatProviders } from '../packages/client/src/verify/providers/chat.ts';
import { cloudProviders } from '../packages/client/src/verify/providers/cloud.ts';
import { commerceProviders } from '../packages/client/src/verify/providers/commerce.ts';
import { developerProviders } from '../packages/client/src/verify/providers/developer.ts';
import { documentsProviders } from '../packages/client/src/verify/providers/documents.ts';
import { formatsProviders } from '../packages/client/src/verify/providers/formats.ts';
import { mailProviders } from '../packages/client/src/verify/providers/mail.ts';
import { paymentsProviders } from '../packages/client/src/verify/providers/payments.ts';
import { supportProviders } from '../packages/client/src/verify/providers/support.ts';
import { workProviders } from '../packages/client/src/verify/providers/work.ts';
import { schemeCovers } from '../packages/client/src/verify/scheme-covers.ts';
import type {
  Covers,
  MacScheme,
  Scheme,
  SignaturePlace,
  TimestampRule,
} from '../packages/client/src/verify/scheme.ts';

const TARGET = 'docs/providers.md';

const GROUPS: readonly (readonly [string, ProviderTable])[] = [
  ['Formats that many senders share', formatsProviders],
  ['Models and the tools around them', aiProviders],
  ['Developer tools', developerProviders],
  ['Payments', paymentsProviders],
  ['Billing and subscriptions', billingProviders],
  ['Shops and marketplaces', commerceProviders],
  ['Clouds and identity', cloudProviders],
  ['Chat and social networks', chatProviders],
  ['Calls, text messages and speech', callsProviders],
  ['Mail and marketing', mailProviders],
  ['Customer support and sales', supportProviders],
  ['Documents, content and media', documentsProviders],
  ['Work management and forms', workProviders],
];

const EVIDENCE: Readonly<Record<Evidence, string>> = {
  sdk: 'official SDK',
  docs: 'documentation',
  secondary: 'second hand',
  recall: 'memory only',
};

function introduction(): string {
  const all = Object.values(providers);
  const count = (evidence: Evidence): number => all.filter((each) => each.evidence === evidence).length;
  return `# Providers

<!-- Made by scripts/generate-provider-reference.ts from the table in packages/client/src/verify/providers: change those. -->

A source's \`provider\` is one of the ids below (\`standard-webhooks\` is another name of \`standardwebhooks\`),
or one of the generic ones: \`hmac\` with a scheme of your own (see [add a provider](guides/add-a-provider.md)),
\`token\` (a bearer token, or a header named by \`headerName\`), \`basic\` (\`user:password\` as the secret) and
\`none\`, which accepts everything and says so.

**How well we know it.** Of ${all.length} entries, ${count('sdk')} were checked against an official SDK that
judged our test requests, ${count('docs')} were read in official documentation or in the sender's own source,
${count('secondary')} are **known only at second hand**: other people's implementations agree, but no official
source was seen, and ${count('recall')} are from memory. For these last two, capture a real delivery before you
rely on them.

**What is covered.** \`body\`: the proof protects the whole body. \`metadata\`: only some fields; others can be
changed on the way without being noticed. \`nothing\`: the sender shows a secret, and whoever has seen it once can
send anything. The same word is on every event, so that a filter can ask for it.

**Ids.** An event's id is what the sender repeats when it retries. Where there is none, or where a batch holds
several events, bodies are compared instead, for minutes only: some senders repeat the same bytes for a new event.
Types begin with \`com.\` and the brand; formats that many senders share keep the type as it was sent.

**Rotation.** Every provider takes several secrets, newest first; any match is enough, and the event tells which.

**Fields.** What a source needs besides secrets goes into its \`config\`: \`publicKey\`, \`keys\` (public keys by id),
\`jwks\`, and the names in the tables, in \`camelCase\` or \`snake_case\`. \`idFrom\`, \`typeFrom\`, \`keyFrom\` and
\`timeFrom\` replace where the identity is read, for example \`typeFrom: "h:x-event"\`. For \`paypal\` and \`sns\` a
\`publicKey\` takes the place of the certificate that would be fetched.

## Traps

- \`stripe\`: the key is the whole text \`whsec_...\`. Svix and Standard Webhooks decode theirs; \`polar\` does not,
  and \`openai\` only if it begins with \`whsec_\`.
- \`hubspot_v2\`, \`hubspot_v3\`, \`mandrill\`, \`plivo\`, \`qstash\`, \`square\`, \`trello\` and \`twilio\` sign the URL too:
  the gateway's public URL must be exactly what the sender was given.
- \`adyen\`, \`dropbox_sign\`, \`mailgun\` and \`paypal\` protect a part of what they send (PayPal a checksum of the body,
  which can be met by another body): fetch what matters from their API.
- \`google_chat\` and \`pubsub\` prove the sender by a token that says nothing of the body. Anybody can have Google sign a
  token for any audience, so the service account is checked as well.
- \`sns\`: any AWS account can sign messages of its own topics, so \`topicArn\` (several with commas) is required.
- \`zendesk\` signs what its test button sends with a secret that is printed in its documentation: never configure it.
- \`asana\`, \`notion\` and \`sfmc_ens\` send the secret in their first request, unsigned. A source without a secret
  [waits for it](sources.md#secrets-that-the-provider-hands-over), keeps the first one and never replaces it.
- \`gitlab_signing\` and \`gitlab_token\`: if your GitLab signs, use the former alone; a fallback to the token would undo it.
- \`salesforce_om\` shows its organisation's id, which is no secret: let it in by address or client certificate only.
- Timestamps: where the sender names no limit, none is applied, since some senders repeat the old timestamp when they
  retry. Ids then protect from replays.
`;
}

function code(text: string): string {
  return `\`${text.replaceAll('\n', String.raw`\n`).replaceAll('|', String.raw`\|`)}\``;
}

function placeOf(sig: SignaturePlace): string {
  const { header, headers, headerPattern, query, form, json, formJson } = sig;
  const label = sig.pick === undefined ? '' : `, entries ${code(sig.pick)}`;
  const where =
    header ??
    headers?.join(' or ') ??
    headerPattern ??
    (query === undefined ? undefined : `?${query}`) ??
    form ??
    json ??
    formJson ??
    '';
  return `${code((sig.prefix ?? '') === '' ? where : `${where}: ${sig.prefix ?? ''}`)}${label}, ${sig.enc ?? 'hex'}`;
}

function limit(seconds: number | null | undefined): string {
  return typeof seconds === 'number' ? `${seconds} s` : 'any';
}

function limits(rule: TimestampRule | undefined): string {
  if (rule === undefined) return '';
  const { past, future } = rule;
  if (typeof past !== 'number' && typeof future !== 'number') return '; age not limited by the sender';
  return `; ${limit(past)} old, ${limit(future)} ahead at most`;
}

function keyWords({ key }: MacScheme): string {
  const decode = key?.decode ?? 'utf8';
  return decode === 'utf8' ? '' : `; key is ${decode}`;
}

function proofOf(scheme: Scheme | undefined): string {
  if (scheme === undefined) return 'not known: set `verification`';
  switch (scheme.kind) {
    case 'token':
      return scheme.headerConfig === undefined
        ? `token in ${code(scheme.from)}`
        : `token in the header named by ${code(scheme.headerConfig)}`;
    case 'jwt': {
      const bound =
        scheme.bodyHash === undefined ? '' : `; claim ${code(scheme.bodyHash.claim)} binds the body`;
      return `JWT (${scheme.algs.join(', ')}) in ${code(scheme.token)}${bound}`;
    }
    case 'custom':
      return 'rules of its own, written as a function';
    case 'none':
      return 'none';
    case 'mac':
    case 'digest':
    case 'signature':
    default: {
      const key = scheme.kind === 'mac' ? keyWords(scheme) : '';
      return `${scheme.alg} of ${code(scheme.content)} in ${placeOf(scheme.sig)}${key}${limits(scheme.ts)}`;
    }
  }
}

function coverageOf(scheme: Scheme | undefined): Covers | '' {
  return scheme === undefined ? '' : schemeCovers(scheme);
}

function needsOf(provider: Provider): string {
  const needs = credentialNeeds(provider);
  const words = [
    ...(needs.secrets ? ['secret'] : []),
    ...(needs.publicKey ? ['`publicKey`'] : []),
    ...(needs.keys ? ['`keys`'] : []),
    ...(needs.jwks === 'required' ? ['`jwks` or `jwksUrl`'] : []),
    ...(needs.jwks === 'fetched' ? ['(keys are fetched)'] : []),
    ...(needs.jwks === 'instead of a secret' ? ['or `jwks`'] : []),
    ...needs.config.map(code),
    ...needs.handshakeConfig.map((key) => `${code(key)} (handshake)`),
    ...needs.handshakeOptions.map((key) => `${code(key)} (handshake, optional)`),
  ];
  return words.length === 0 ? '–' : words.join(', ');
}

function first(templates: readonly string[] | undefined): string {
  return templates?.[0] ?? '';
}

function identityOf(provider: Provider): string {
  const id = first(provider.id) === '' ? 'body' : code(first(provider.id));
  const type = first(provider.type) === '' ? '' : `; type ${code(first(provider.type))}`;
  const key = first(provider.key) === '' ? '' : `; key ${code(first(provider.key))}`;
  return `id ${id}${type}${key}`;
}

function conversationOf(provider: Provider): string {
  const rules = (provider.handshakes ?? []).map((rule) => {
    const proof = rule.verified === true ? 'proven ' : '';
    const learns = rule.learns === undefined ? '' : ', which brings the secret';
    return `answers a ${proof}${rule.method ?? 'POST'} question${learns}`;
  });
  const { answer, refusalStatus } = provider;
  const shown = answer?.body === undefined || answer.body === '' ? '' : ' with its text';
  const reply = answer === undefined ? [] : [`replies ${answer.status}${shown}`];
  const refusal = refusalStatus === undefined ? [] : [`refuses with ${refusalStatus}`];
  return [...new Set(rules), ...reply, ...refusal].join('; ');
}

function table(entries: ProviderTable): string {
  const head =
    '| id | known from | proof | covers | needs | identity | handshake and reply |\n| - | - | - | - | - | - | - |';
  const lines = Object.entries(entries).map(([id, provider]) => {
    const cells = [
      code(id),
      EVIDENCE[provider.evidence],
      proofOf(provider.scheme),
      coverageOf(provider.scheme),
      needsOf(provider),
      identityOf(provider),
      conversationOf(provider),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [head, ...lines].join('\n');
}

/** The text of the page. */
export async function providerReference(): Promise<string> {
  const missing = Object.keys(providers).filter(
    (id) => !GROUPS.some(([, entries]) => Object.hasOwn(entries, id)),
  );
  if (missing.length > 0) throw new Error(`no group has ${missing.join(', ')}`);
  const sections = GROUPS.map(([title, entries]) => `## ${title}\n\n${table(entries)}\n`);
  const options = await resolveConfig(TARGET);
  return format([introduction(), ...sections].join('\n'), { ...options, parser: 'markdown' });
}

async function main(): Promise<void> {
  const path = fileURLToPath(new URL(`../${TARGET}`, import.meta.url));
  const text = await providerReference();
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  if (readFileSync(path, 'utf8') === text) return;
  console.error(`${TARGET} is out of date: run node scripts/generate-provider-reference.ts`);
  process.exitCode = 1;
}

if (import.meta.main) await main();
