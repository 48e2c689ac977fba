import { duration, table, thousands } from '../format.js';
import type { Workers } from '../queue/crew.js';
import type { WorkerShares } from '../search/crew.js';
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

/** Who has made the training runs of a search. */
export function sharesLines({ own, again, workers }: WorkerShares): string[] {
  const rows = workers.map(one => [
    `${one.host}, process ${one.process}`,
    `${one.threads} ${one.threads === 1 ? 'thread' : 'threads'}`,
    `${thousands(one.runs)} runs`,
    duration(one.seconds),
  ]);
  const here = own > 0 ? [['this process', '', `${thousands(own)} runs`, '']] : [];
  const times = `${thousands(again.runs)} begun again, ${thousands(again.times)} times in total, as a worker had ended amid them`;
  return [
    `workers  ${workers.length}; ${again.runs === 0 ? 'no run was begun twice' : times}`,
    table([...rows, ...here], '         '),
  ];
}
