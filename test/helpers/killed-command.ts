// A command line in a process of its own that kills itself before change number AT on disk: `AT ARGUMENTS...`. Writes the number of changes when it ends.
import { main } from '#tinytrain/cli/cli.js';
import { onChange } from '#tinytrain/disk.js';

const [at, ...args] = process.argv.slice(2);
let next = 0;
onChange(() => {
  if (next++ === Number(at)) process.kill(process.pid, 'SIGKILL');
});
await main(args);
process.stderr.write(`changes: ${next}\n`);
