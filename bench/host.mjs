// The speed of the host on this machine, compared with other runtimes and with our own reference: `npm run bench`. Writes bench/host.json; no build fails because of a ratio. See README.md.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench, groups, layers } from './lib/groups.mjs';
import { canPin, idleCores, machine, stayOff } from './lib/machine.mjs';
import { buildTimed } from './lib/ours.mjs';
import { Report } from './lib/report.mjs';

const { values: options } = parseArgs({
  options: {
    groups: { type: 'string' },
    layers: { type: 'boolean', default: false },
    core: { type: 'string' },
    seconds: { type: 'string', default: '20' },
    out: { type: 'string', default: fileURLToPath(new URL('host.json', import.meta.url)) },
  },
});
// `--layers` alone prints only profiles.
const wanted = options.groups?.split(',') ?? (options.layers ? [] : Object.keys(groups));
const unknown = wanted.filter(name => !(name in groups));
if (unknown.length > 0) {
  console.error(`error: no group ${unknown.join(', ')}; there are ${Object.keys(groups).join(', ')}`);
  process.exit(2);
}

const timed = buildTimed();
const folder = mkdtempSync(join(tmpdir(), 'tinytrain-bench-'));
try {
  const cores = canPin() ? await idleCores() : [];
  const core = options.core === undefined ? cores[0] : Number(options.core);
  const report = new Report({ ...machine(), core: core ?? 'not pinned' });
  if (core !== undefined) stayOff(core);
  const pair = cores.length > 1 ? [core, cores.find(other => other !== core)] : undefined;
  const settings = { timed, core: core === undefined ? undefined : [core], pair, folder };
  const bench = new Bench({ ...settings, seconds: Number(options.seconds), report });
  for (const name of wanted) await groups[name](bench);
  if (options.layers) await layers(bench);
  report.end(bench.versions);
  writeFileSync(options.out, `${JSON.stringify(report.record(bench.versions), null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
