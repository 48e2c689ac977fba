import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

/** Material that lies beside a clone of the project where it is worked on; not part of it. */
const folder = fileURLToPath(new URL('../../../shared', import.meta.url));

/** The path of a file there. */
export function shared(path: string): string {
  return `${folder}/${path}`;
}

/** A test that needs a file there; where it is not there, it says so and passes. */
export function withShared(path: string, title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  test(title, async t => {
    if (existsSync(shared(path))) return implementation(t);
    t.log(`left out: ${shared(path)} is not there`);
    t.pass();
  });
}
