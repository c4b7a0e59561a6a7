import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { domainToASCII } from 'node:url';
import { isNodeRole, NODE_ROLES } from '../domain/node-role.ts';
import { isRedactionRule } from '../domain/redaction.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../domain/units.ts';
import { nearestName } from './nearest-name.ts';
import type { Setting, SettingType, SettingValue } from './schema.ts';

/** Why a text is no value of its setting, and what to write instead. */
export interface ValueMistake {
  readonly message: string;
  readonly fix: string;
}

export type ParsedValue =
  | { readonly ok: true; readonly value: SettingValue }
  | { readonly ok: false; readonly mistake: ValueMistake };

type Parser = (text: string, setting: Setting, cwd: string) => ParsedValue;

const PARSERS: Readonly<Record<SettingType, Parser>> = {
  string: parseText,
  secret: parseText,
  host: parseHost,
  port: (text, setting) => parseInteger(text, { ...setting, min: '0', max: '65535' }),
  integer: parseInteger,
  duration: (text, setting) => parseAmount(text, setting, DURATION),
  size: (text, setting) => parseAmount(text, setting, SIZE),
  boolean: parseBoolean,
  cidrs: (text) => parseList(text, cidrOf, CIDRS),
  hosts: (text) => parseList(text, hostPatternOf, HOSTS),
  roles: parseRoles,
  fields: (text) => parseList(text, (part) => (isRedactionRule(part) ? part : null), FIELDS),
  enum: parseChoice,
  keys: parseKeys,
  url: parseUrl,
  path: (text, _setting, cwd) => parsePath(text, cwd),
  proxy: parseProxy,
  store: (text, _setting, cwd) => parseStoreUrl(text, cwd),
};

/** Reads what a person wrote for a setting. Relative paths begin at `cwd`. */
export function parseSettingValue(setting: Setting, text: string, cwd: string): ParsedValue {
  // Else an empty path would be the working directory, and an empty key a key.
  if (text.trim() === '') return mistake('it is empty', 'write a value, or leave it out');
  return PARSERS[setting.type](text, setting, cwd);
}

function value(parsed: SettingValue): ParsedValue {
  return { ok: true, value: parsed };
}

function mistake(message: string, fix: string): ParsedValue {
  return { ok: false, mistake: { message, fix } };
}

function parseText(text: string): ParsedValue {
  if (/[\s\p{Cc}]/u.test(text)) {
    return mistake('it has a blank or a line break in it', 'remove it; a file often ends with one');
  }
  return value(text);
}

function parsePath(text: string, cwd: string): ParsedValue {
  if (hasControl(text)) return mistake('it has a line break or another control character in it', 'remove it');
  return value(resolve(cwd, text));
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function parseHost(text: string): ParsedValue {
  if (isIP(text) !== 0 || /^(?!\d+(\.\d+)*$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)) {
    return value(text);
  }
  return mistake(
    `"${text}" is neither an address nor a host name`,
    'write an address such as 127.0.0.1, without scheme and port',
  );
}

function parseInteger(text: string, setting: Setting): ParsedValue {
  const [min, max] = [Number(setting.min ?? 0), Number(setting.max ?? Number.MAX_SAFE_INTEGER)];
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return value(number);
  const range = `write a whole number from ${min} to ${max}`;
  return mistake(Number.isNaN(number) ? `"${text}" is not a whole number` : `${text} is out of range`, range);
}

interface AmountForm {
  readonly noun: string;
  readonly examples: string;
  readonly parse: (text: string) => number | null;
  readonly format: (amount: number) => string;
}

const DURATION: AmountForm = {
  noun: 'duration',
  examples: '200ms, 30s, 5m, 2h or 7d',
  parse: parseDuration,
  format: formatDuration,
};

const SIZE: AmountForm = {
  noun: 'size',
  examples: '512B, 64KiB, 10MiB or 1GiB',
  parse: parseSize,
  format: formatSize,
};

function parseAmount(text: string, setting: Setting, form: AmountForm): ParsedValue {
  const amount = text === '0' ? 0 : form.parse(text);
  if (amount === null) {
    const bare = /^\d+$/.test(text) && Number.isSafeInteger(Number(text));
    return bare
      ? mistake(
          `"${text}" has no unit`,
          `write ${form.format(Number(text))} if that is meant, or another ${form.noun} such as ${form.examples}`,
        )
      : mistake(`"${text}" is not a ${form.noun}`, `write a ${form.noun} such as ${form.examples}`);
  }
  const least = setting.min === undefined ? 0 : (form.parse(setting.min) ?? 0);
  if (amount < least) return mistake(`${text} is too little`, `write at least ${setting.min}`);
  const greatest = setting.max === undefined ? null : form.parse(setting.max);
  if (greatest !== null && amount > greatest) {
    return mistake(`${text} is too much`, `write at most ${setting.max}`);
  }
  return value(amount);
}

function parseBoolean(text: string): ParsedValue {
  if (/^(true|yes|on|1)$/i.test(text)) return value(true);
  if (/^(false|no|off|0)$/i.test(text)) return value(false);
  return mistake(`"${text}" is neither true nor false`, 'write true or false');
}

interface ListForm {
  readonly noun: string;
  readonly examples: string;
}

const CIDRS: ListForm = { noun: 'an address block', examples: 'blocks such as 10.0.0.0/8,fd00::/8' };
const FIELDS: ListForm = { noun: 'a field', examples: 'fields such as email,/data/card/number' };
const HOSTS: ListForm = { noun: 'a host', examples: 'hosts such as example.com,*.example.com' };

function parseList(
  text: string,
  itemOf: (part: string) => string | null,
  { noun, examples }: ListForm,
): ParsedValue {
  if (text === 'none') return value([]);
  const items: string[] = [];
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const item = itemOf(part);
    if (item === null) {
      return mistake(`"${part}" is not ${noun}`, `write ${examples}, separated by commas, or none`);
    }
    items.push(item);
  }
  return value(items);
}

/** A name or an address, or every name below one: `*.example.com`. `null` when it is none of them. */
function hostPatternOf(text: string): string | null {
  const host = text.toLowerCase();
  if (isIP(host) !== 0) return host;
  const name = domainToASCII(host.replace(/^\*\./, ''));
  if (name === '' || !/^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/.test(name)) return null;
  return host.startsWith('*.') ? `*.${name}` : name;
}

/** `10.0.0.1` -> `10.0.0.1/32`; `null` when it is no address or block. */
function cidrOf(text: string): string | null {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const widest = version === 4 ? 32 : 128;
  if (version === 0 || more.length > 0) return null;
  if (bits === undefined) return `${address}/${widest}`;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= widest ? `${address}/${Number(bits)}` : null;
}

function parseRoles(text: string): ParsedValue {
  const roles = text.split(',').map((part) => part.trim().toLowerCase());
  const wrong = roles.find((role) => !isNodeRole(role));
  const fix = `write one or more of ${NODE_ROLES.join(', ')}, separated by commas`;
  if (wrong !== undefined) return mistake(`"${wrong}" is not a role`, fix);
  return value(NODE_ROLES.filter((role) => roles.includes(role)));
}

function parseChoice(text: string, { choices = [] }: Setting): ParsedValue {
  if (choices.includes(text)) return value(text);
  const nearest = nearestName(text, choices);
  const hint = nearest === null ? '' : `; perhaps ${nearest}`;
  return mistake(`"${text}" is not one of its values`, `write one of ${choices.join(', ')}${hint}`);
}

const KEY_BYTES = 32;

function parseKeys(text: string): ParsedValue {
  const keys = text.split(',').map((part) => Buffer.from(part.trim(), 'base64'));
  // The text itself is never repeated: the message goes to logs.
  if (keys.some((key) => key.length !== KEY_BYTES)) {
    const which = keys.length === 1 ? 'it is' : 'one of the keys is';
    return mistake(`${which} not ${KEY_BYTES} bytes in base64`, 'make one with: openssl rand -base64 32');
  }
  return value(keys);
}

function parseUrl(text: string): ParsedValue {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return mistake(`"${text}" is not an http or https URL`, 'write a URL such as https://hooks.example.com');
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    return mistake('it has a query, a fragment or credentials', 'write only scheme, host, port and path');
  }
  return value(url.href.replace(/\/+$/, ''));
}

function parseProxy(text: string): ParsedValue {
  const url = URL.parse(text);
  const plain = url !== null && /^https?:$/.test(url.protocol);
  // The text itself is never repeated: it may hold a password.
  if (plain && url.pathname === '/' && url.search === '' && url.hash === '') return value(url.href);
  return mistake('it is not the URL of a proxy', 'write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT');
}

function parseStoreUrl(text: string, cwd: string): ParsedValue {
  if (text === 'memory:') return value(text);
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(text)?.[1];
  if (path !== undefined && !hasControl(path)) return value(`sqlite:${resolve(cwd, path)}`);
  const url = URL.parse(text);
  if (url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.pathname.length > 1) return value(text);
  return mistake(
    'it is not the URL of a store',
    'write sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory:',
  );
}
