import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { TinytrainError } from './errors.js';
import { parsed } from './json.js';

const path = new URL('../package.json', import.meta.url);

/** The package's version. */
export const { version } = parsed(
  readFileSync(path, 'utf8'),
  v.object({ version: v.string() }),
  why => new TinytrainError('PACKAGE_BROKEN', `${path.pathname}: ${why}; install tinytrain again`),
);
