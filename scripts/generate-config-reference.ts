import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { mayComeFromFile } from '../src/config/load.ts';
import {
  defaultOf,
  envName,
  flagName,
  SETTING_KEYS,
  settingOf,
  type Setting,
  type SettingKey,
  type SettingType,
} from '../src/config/schema.ts';

const TARGET = 'docs/reference/configuration.md';

const INTRODUCTION = `# Configuration

<!-- Made by scripts/generate-config-reference.ts from src/config/schema.ts: change those. -->

Every setting can come from a flag, from the environment, or from \`ringback.yaml\` in the directory where
the gateway starts (\`--config PATH\` or \`RINGBACK_CONFIG\` names another file). A flag wins over the
environment, that over the file, and that over the profile: \`dev\` is \`npm start\`, \`production\` is
\`ringback start\`. \`ringback config show\` prints every setting and where it came from.

All mistakes are reported at once, each with its place and what to write instead, and the gateway does not
start. A \`RINGBACK_*\` variable that is not known is only warned of.

In the file, keys may be written \`maxBodySize\`, \`max_body_size\` or nested; lists may be YAML lists:

\`\`\`yaml
port: 8420
public_url: https://hooks.example.com
store:
  url: postgres://ringback@db.internal/ringback
allow_private: [10.20.0.0/16]
\`\`\`

Durations are written \`200ms\`, \`30s\`, \`5m\`, \`2h\`, \`7d\` or as sums such as \`1h30m\`; sizes \`512B\`,
\`64KiB\`, \`10MiB\`, \`1GiB\`. Lists of networks, hosts and fields are separated by commas; \`none\` is the empty list. An empty
variable counts as not set. Secrets are not taken from flags, since other users of the machine can read those.
`;

const TYPE_WORDS: Readonly<Record<SettingType, string>> = {
  string: 'text',
  host: 'address or host name',
  port: 'port, 0 to 65535',
  integer: 'whole number',
  duration: 'duration',
  size: 'size',
  boolean: '`true` or `false`',
  cidrs: 'list of networks',
  hosts: 'list of hosts',
  roles: 'roles, separated by commas',
  fields: 'list of field names and JSON pointers',
  enum: 'one of',
  secret: 'secret',
  keys: 'secret, 32 bytes in base64',
  url: 'http or https URL',
  path: 'path',
  proxy: 'http or https URL, may hold a password',
  store: '`sqlite:PATH`, `postgres://...` or `memory:`',
};

function reference(): string {
  const summary = SETTING_KEYS.map(
    (key) => `| [\`${key}\`](#${key.toLowerCase()}) | ${shortDefault(key)} | ${settingOf(key).description} |`,
  );
  return [
    INTRODUCTION,
    '| setting | default | meaning |\n| --- | --- | --- |',
    ...summary,
    '',
    ...SETTING_KEYS.map(section),
  ].join('\n');
}

function section(key: SettingKey): string {
  const setting = settingOf(key);
  const flag = flagName(key);
  const fromFile = mayComeFromFile(key) ? `, or the path of a file with it in \`${envName(key)}_FILE\`` : '';
  return [
    `## ${key}`,
    '',
    setting.description,
    '',
    `- Value: ${valueWords(setting)}`,
    `- Default: ${longDefault(key)}`,
    `- Environment: \`${envName(key)}\`${fromFile}`,
    `- Flag: ${flag === null ? 'none' : `\`${flag}\``}`,
    '',
  ].join('\n');
}

function valueWords(setting: Setting): string {
  const choices = setting.choices?.map((choice) => `\`${choice}\``).join(', ');
  const words = choices === undefined ? TYPE_WORDS[setting.type] : `${TYPE_WORDS[setting.type]} ${choices}`;
  const { min, max } = setting;
  if (min !== undefined && max !== undefined) return `${words}, from ${min} to ${max}`;
  return min === undefined || min === '0' ? words : `${words}, at least ${min}`;
}

function shortDefault(key: SettingKey): string {
  const [dev, production] = [defaultOf(key, 'dev'), defaultOf(key, 'production')];
  if (dev === null) return '';
  return dev === production ? `\`${dev}\`` : `\`${dev}\`; production \`${production ?? ''}\``;
}

function longDefault(key: SettingKey): string {
  return shortDefault(key) === '' ? (settingOf(key).whenUnset ?? 'none') : shortDefault(key);
}

async function main(): Promise<void> {
  const path = fileURLToPath(new URL(`../${TARGET}`, import.meta.url));
  // As `prettier --check` wants it, or the two checks could never both pass.
  const wanted = await format(reference(), { ...(await resolveConfig(path)), filepath: path });
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, wanted);
    return;
  }
  let present = '';
  try {
    present = readFileSync(path, 'utf8');
  } catch {
    // A missing file is as out of date as an old one.
  }
  if (present === wanted) return;
  console.error(`${TARGET} is out of date; run: node scripts/generate-config-reference.ts`);
  process.exitCode = 1;
}

await main();
