import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readKeyFile, adminKeyPath, secretKeyPath } from '../app/key-files.ts';
import { inspectSqliteStore } from '../app/inspect-store.ts';
import { insecureSettings } from '../app/insecure-settings.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Profile } from '../config/schema.ts';
import { fail, type Finding, ok, warn } from './doctor-finding.ts';
import { sizeText } from './format.ts';

const OLDEST_NODE = 24;
const LITTLE_SPACE = 1024 ** 3;
const NO_SPACE = 100 * 1024 ** 2;
const CLOCK_TOLERANCE_MS = 2_000;

export function checkNode(version = process.versions.node): Finding {
  const major = Number(version.split('.')[0]);
  if (major >= OLDEST_NODE) return ok('node', `version ${version}`);
  return fail('node', `version ${version} is too old`, `install Node ${OLDEST_NODE} or newer`);
}

export function checkConfiguration(loaded: LoadedConfig, profile: Profile): Finding[] {
  const name = 'configuration';
  const findings: Finding[] = loaded.ok
    ? []
    : loaded.problems.map(({ key, origin, message, fix }) =>
        fail(name, `${key} (${origin}): ${message}`, fix),
      );
  for (const { key, origin, message, fix } of loaded.warnings) {
    findings.push(warn(name, `${key} (${origin}): ${message}`, fix));
  }
  if (loaded.ok && profile === 'production') {
    for (const text of insecureSettings(loaded.config)) {
      const [detail = text, fix = 'see docs/reference/configuration.md'] = text.split('; ', 2);
      findings.push(fail(name, detail, fix));
    }
  }
  return findings.length > 0
    ? findings
    : [ok(name, `${loaded.settings.length} settings, profile ${profile}`)];
}

/** The data directory: there or makeable, ours alone, writable, with room left. */
export function checkDataDir(dataDir: string): Finding[] {
  const name = 'data directory';
  const standing = nearestExisting(dataDir);
  const isMissing = standing !== dataDir;
  if (!statSync(standing).isDirectory()) {
    return [
      fail(name, `${standing} is not a directory`, 'remove it, or choose another with RINGBACK_DATA_DIR'),
    ];
  }
  try {
    accessSync(standing, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    const detail = isMissing ? `${dataDir} cannot be made in ${standing}` : `${dataDir} is not writable`;
    return [
      fail(
        name,
        detail,
        `run: sudo chown -R $(id -un) ${standing}; or choose another with RINGBACK_DATA_DIR`,
      ),
    ];
  }
  const findings = [isMissing ? ok(name, `${dataDir} is made at the first start`) : checkMode(name, dataDir)];
  return [...findings, checkSpace(standing)];
}

function checkMode(name: string, dataDir: string): Finding {
  const { mode } = statSync(dataDir);
  // Windows has no such bits; its user directories are private.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return ok(name, dataDir);
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  return warn(name, `${dataDir} can be entered by other users (mode ${shown})`, `run: chmod 700 ${dataDir}`);
}

function checkSpace(directory: string): Finding {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const detail = `${sizeText(free)} free on the disk of ${directory}`;
  const fix = 'free some, shorten RINGBACK_RETENTION, or choose another RINGBACK_DATA_DIR';
  if (free < NO_SPACE) return fail('free space', detail, fix);
  return free < LITTLE_SPACE ? warn('free space', detail, fix) : ok('free space', detail);
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

export function checkKeyFiles(loaded: LoadedConfig, dataDir: string, storePath: string | null): Finding[] {
  const isSet = (key: string): boolean =>
    (loaded.settings.find((setting) => setting.key === key)?.value ?? null) !== null;
  const findings: Finding[] = [];
  for (const path of [adminKeyPath(dataDir), secretKeyPath(dataDir)]) {
    const read = existsSync(path) ? readKeyFile(path) : null;
    if (read === null) continue;
    if (read.ok) findings.push(ok('key files', `${path} is readable by its owner alone`));
    else findings.push(fail('key files', read.problem, read.fix));
  }
  const sealed = storePath !== null && existsSync(storePath);
  if (sealed && !isSet('secretKey') && !existsSync(secretKeyPath(dataDir))) {
    const detail = `${secretKeyPath(dataDir)} is missing, and the store has secrets that only it opens`;
    findings.push(fail('key files', detail, 'restore it from a backup, or set RINGBACK_SECRET_KEY'));
  }
  return findings.length > 0 ? findings : [ok('key files', 'none yet; they are made at the first start')];
}

/** The embedded store, read without a server. `serverRuns`: the one that was asked already. */
export function checkStoreFile(path: string, serverRuns: boolean): Finding {
  const found = inspectSqliteStore(path);
  if (found.state === 'absent') return ok('store', `${path} is made at the first start`);
  if (found.state === 'unusable') return fail('store', `${path}: ${found.problem}`, found.fix);
  const detail = `${path}, ${sizeText(found.bytes)}`;
  if (found.holderPid === null || serverRuns) return ok('store', detail);
  return warn(
    'store',
    `${detail}: process ${found.holderPid} uses it, but does not answer where the settings say`,
    'name its URL with --url or RINGBACK_URL, or stop that process before you start another',
  );
}

/** The clock against that of the file system, which may be another machine's. */
export function checkClock(dataDir: string): Finding {
  const directory = mkdtempSync(join(existsSync(dataDir) ? dataDir : tmpdir(), '.doctor-'));
  try {
    const before = Date.now();
    const file = join(directory, 'clock');
    writeFileSync(file, '');
    return clockFinding(statSync(file).mtimeMs - before, 'the file system');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function clockFinding(aheadMs: number, whose: string, toleranceMs = CLOCK_TOLERANCE_MS): Finding {
  const seconds = (Math.abs(aheadMs) / 1_000).toFixed(1);
  if (Math.abs(aheadMs) <= toleranceMs) return ok('clock', `agrees with that of ${whose}`);
  const detail = `${whose} is ${seconds} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
  return warn(
    'clock',
    detail,
    'let both synchronise (NTP): signatures carry times, and retries wait for them',
  );
}
