import type { Workers } from '../queue/crew.js';
import { version } from '../version.js';

/** Workers in words, for a line of progress. */
export function workersText({ processes, threads }: Workers): string {
  if (processes === 0) return 'no worker';
  return `${processes} ${processes === 1 ? 'worker' : 'workers'}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** Why nothing moves, and what would help; undefined where there are workers. */
export function missingWorkers({
  place,
  workers,
}: {
  readonly place: string;
  readonly workers: Workers;
}): string | undefined {
  const { processes, refused } = workers;
  if (processes > 0) return undefined;
  const others =
    refused.length === 0 ? '' : `; those of tinytrain ${refused.join(', ')} cannot help, as this is ${version}`;
  return [`waiting for workers at ${place}${others}`, '  on each machine: npx tinytrain worker --redis URL'].join('\n');
}
