/** The machine: its description, and whether it is busy. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release } from 'node:os';
import { setTimeout } from 'node:timers/promises';

const FLAGS = ['avx2', 'avx_vnni', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'asimddp', 'i8mm'];

/** Ticks of each core since the system started: busy, and taken by the host of a virtual machine. */
export function ticks() {
  try {
    const lines = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu(\d+) (.*)$/gm);
    return new Map(
      Array.from(lines, ([, core, counts]) => {
        const [user, nice, system, , , irq, softirq, steal] = counts.split(' ').map(Number);
        return [Number(core), { busy: user + nice + system + irq + softirq, steal }];
      }),
    );
  } catch {
    return new Map();
  }
}

/** Milliseconds for which these cores have been busy so far. */
export function worked(cores) {
  const now = ticks();
  return 10 * cores.reduce((sum, core) => sum + (now.get(core)?.busy ?? 0), 0);
}

/** Milliseconds taken from these cores by the host so far. */
export function stolen(cores) {
  const now = ticks();
  return 10 * cores.reduce((sum, core) => sum + (now.get(core)?.steal ?? 0), 0);
}

/** The cores, ordered by their load in the last third of a second, the most idle first. */
export async function idleCores() {
  const before = ticks();
  await setTimeout(300);
  const after = ticks();
  const work = core => after.get(core).busy - before.get(core).busy;
  return [...after.keys()].toSorted((a, b) => work(a) - work(b) || b - a);
}

export const canPin = () => spawnSync('taskset', ['--version']).status === 0;

/** Keeps this process off the core used for timing, if there is another. */
export function stayOff(core) {
  const others = [...ticks().keys()].filter(other => other !== core);
  if (others.length > 0) spawnSync('taskset', ['-cp', others.join(','), String(process.pid)]);
}

export function machine() {
  let flags = [];
  try {
    const line =
      readFileSync('/proc/cpuinfo', 'utf8')
        .match(/^(?:flags|Features)\s*:\s*(.*)$/m)?.[1]
        .split(' ') ?? [];
    flags = FLAGS.filter(flag => line.includes(flag));
  } catch {
    // Not Linux: the CPU model is sufficient.
  }
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    flags,
    cores: availableParallelism(),
    system: `${platform()} ${arch()} ${release()}`,
    load: loadavg()[0],
    node: process.version,
  };
}
