import { decodeText } from './bytes.ts';
import type { SignaturePlace } from './scheme.ts';
import { VerifierSettingsError, refuse } from './reasons.ts';
import type { Settings, SignatureFields } from './reference.ts';
import { parsePath, valueAtPath } from './reference.ts';
import type { RequestView } from './request-view.ts';

/** Signatures that belong together, with the labelled fields written beside them. */
export interface SignatureGroup {
  readonly fields: SignatureFields | undefined;
  /** Decoded signatures; any match is enough. Empty when none was well-formed. */
  readonly candidates: readonly Uint8Array[];
}

/** Reads the signatures of a request, or refuses it. */
export type ReadSignatures = (view: RequestView) => readonly SignatureGroup[];

/** A guard against headers stuffed with candidates: each one may cost a public key operation. */
const maxCandidates = 32;
/** Each group is a hash of the whole body, so a header full of them would multiply the work. */
const maxGroups = 8;
/** Entries of one value; beyond, nobody's signature is meant. */
const maxEntries = 256;

/**
 * Prepares the reading of signatures.
 *
 * @param byteLength the exact length of a decoded signature; undefined: any.
 */
export function compileSignaturePlace(
  place: SignaturePlace,
  byteLength: number | undefined,
  settings: Settings,
): ReadSignatures {
  const readTexts = compileTexts(place);
  const label = place.pickConfig === undefined ? place.pick : settings[place.pickConfig];
  if (place.pickConfig !== undefined && (label ?? '') === '') {
    throw new VerifierSettingsError(
      `/config/${place.pickConfig}`,
      `set ${place.pickConfig}: it names our signature among several`,
    );
  }
  const decode = compileDecoder(place, byteLength);
  if (place.list === undefined) {
    return (view) => {
      const candidates: Uint8Array[] = [];
      for (const text of readTexts(view).slice(0, maxCandidates)) {
        const bytes = decode(text);
        if (bytes !== undefined) candidates.push(bytes);
      }
      return [{ fields: undefined, candidates }];
    };
  }
  const { groups } = place;
  const parseGroup = compileGroup(place, place.list, label, decode);
  return (view) =>
    readTexts(view)
      .flatMap((text) => (groups === undefined ? [text] : text.split(groups, maxGroups)))
      .slice(0, maxGroups)
      .map(parseGroup);
}

function compileDecoder(place: SignaturePlace, byteLength: number | undefined) {
  const { prefix, enc = 'hex' } = place;
  return (text: string): Uint8Array | undefined => {
    let written = text;
    if (prefix !== undefined) {
      if (!text.startsWith(prefix)) return undefined;
      written = text.slice(prefix.length);
    }
    // Before decoding, so that an enormous value costs nothing.
    if (written.length === 0 || written.length > 4096) return undefined;
    const bytes = decodeText(written, enc);
    return bytes === undefined || (byteLength !== undefined && bytes.length !== byteLength)
      ? undefined
      : bytes;
  };
}

function compileGroup(
  place: SignaturePlace,
  separator: string,
  label: string | undefined,
  decode: (text: string) => Uint8Array | undefined,
) {
  const { kv, positional } = place;
  return (text: string): SignatureGroup => {
    const candidates: Uint8Array[] = [];
    const fields = new Map<string, string>();
    const addCandidate = (written: string): void => {
      if (candidates.length >= maxCandidates) return;
      const bytes = decode(written);
      if (bytes !== undefined) candidates.push(bytes);
    };
    const entries = text.split(separator.trim() || separator, maxEntries);
    for (const [index, entry_] of entries.entries()) {
      const entry = entry_.trim();
      if (positional === true && index === 0) fields.set('0', entry);
      else if (kv === undefined || positional === true) addCandidate(entry);
      else addLabelled(entry, kv, label, fields, addCandidate);
    }
    return { fields, candidates };
  };
}

function addLabelled(
  entry: string,
  kv: string,
  label: string | undefined,
  fields: Map<string, string>,
  addCandidate: (written: string) => void,
): void {
  const at = entry.indexOf(kv);
  if (at < 0) return;
  const name = entry.slice(0, at);
  const value = entry.slice(at + kv.length);
  // A value that ends in the separator is what is left of two headers joined with ", ".
  if (value.endsWith(',')) throw refuse('ambiguous_header');
  if (name === label) {
    addCandidate(value);
  } else {
    // Parsers differ on which of two equal labels counts; a sender never repeats one.
    if (fields.has(name)) throw refuse('ambiguous_header');
    fields.set(name, value);
  }
}

function compileTexts(place: SignaturePlace): (view: RequestView) => readonly string[] {
  if (place.header !== undefined) return compileHeader(place.header.toLowerCase(), place.repeatable === true);
  if (place.headers !== undefined) {
    const names = place.headers.map((name) => name.toLowerCase());
    return (view) =>
      required(
        names.flatMap((name) => view.header(name) ?? []),
        'missing_header',
      );
  }
  if (place.headerPattern !== undefined) {
    const pattern = new RegExp(place.headerPattern);
    return (view) => {
      const names = new Set(view.headerNames().filter((name) => pattern.test(name)));
      return required(
        [...names].slice(0, maxCandidates).flatMap((name) => view.header(name) ?? []),
        'missing_header',
      );
    };
  }
  const { query, form, json, formJson } = place;
  if (query !== undefined) return (view) => single(view.query().getAll(query), 'missing_header');
  if (form !== undefined) return (view) => single(view.form().getAll(form), 'missing_field');
  if (formJson !== undefined) return jsonTexts(formJson, (view) => view.formJson('json'));
  if (json !== undefined) {
    return jsonTexts(json, (view) => {
      const parsed = view.json();
      if (parsed === undefined) throw refuse('malformed_body');
      return parsed.value;
    });
  }
  throw new VerifierSettingsError('/verification/sig', 'say where the signature is: set sig.header');
}

function compileHeader(lowerName: string, repeatable: boolean): (view: RequestView) => readonly string[] {
  if (repeatable)
    return (view) =>
      required(
        view.headerValues(lowerName).filter((value) => value !== ''),
        'missing_header',
      );
  return (view) => {
    const value = view.header(lowerName);
    if (value === undefined) throw refuse('missing_header');
    return [value];
  };
}

function jsonTexts(
  path: string,
  read: (view: RequestView) => unknown,
): (view: RequestView) => readonly string[] {
  const steps = parsePath(path);
  return (view) => {
    const value = valueAtPath(read(view), steps);
    if (typeof value !== 'string' || value === '') throw refuse('missing_field');
    return [value];
  };
}

function required(values: readonly string[], reason: 'missing_header'): readonly string[] {
  if (values.length === 0) throw refuse(reason);
  return values;
}

function single(values: readonly string[], reason: 'missing_header' | 'missing_field'): readonly string[] {
  if (values.length > 1) throw refuse('ambiguous_header');
  if (values[0] === undefined || values[0] === '') throw refuse(reason);
  return values;
}
