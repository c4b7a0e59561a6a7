import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MIB = 2 ** 20;
const BLOCK = 4_096;

/** Why no small file system can be made here; `null` = it can. Found out once, by trying. */
let whyNot: string | null | undefined;

export function whyNoSmallDisk(): string | null {
  if (whyNot !== undefined) return whyNot;
  if (process.getuid?.() !== 0) whyNot = 'mounting a small file system needs root';
  else {
    const folder = newFolder();
    whyNot = mount(folder, 1) ? null : 'no file system can be mounted here';
    removeSmallDisk(folder);
  }
  return whyNot;
}

/** An empty file system of its own, with room for what is in `source` and `roomMiB` more. */
export function makeSmallDisk(source: string, roomMiB: number): string {
  const folder = newFolder();
  if (!mount(folder, Math.ceil(bytesIn(source) / MIB) + roomMiB)) throw new Error(`cannot mount ${folder}`);
  return folder;
}

/** Takes the file system away with all that is in it. */
export function removeSmallDisk(folder: string): void {
  spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
}

/** Takes the last byte that there is. */
export function fill(file: string): void {
  for (const bytes of [MIB, BLOCK, 1]) {
    try {
      for (;;) writeFileSync(file, new Uint8Array(bytes), { flag: 'a' });
    } catch {
      // Full for writes of this size.
    }
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'ringback-chaos-disk-'));
}

function mount(folder: string, sizeMiB: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder]).status === 0;
}

/** What the files take, in whole blocks. */
function bytesIn(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.reduce((sum, entry) => {
    const bytes = entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : BLOCK;
    return sum + Math.ceil(bytes / BLOCK) * BLOCK;
  }, 0);
}
