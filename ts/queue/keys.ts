import { version } from '../version.js';

/** What all keys of this package in Redis begin with. */
export const prefix = 'tinytrain';

/** The queue of this version's jobs: no other version finds any of them. */
export const queueName = `jobs-${version}`;

/** Keys in Redis beside those of the queue itself. */
export const keys = {
  blob: (name: string) => `${prefix}:blob:${name}`,
  /** Who is there: sorted sets by the time when each no longer counts. */
  present: (role: string) => `${prefix}:present:${role}`,
} as const;
