import { type ChildProcess, spawn } from 'node:child_process';
import type { ExecutionContext } from 'ava';

/**
 * Sees to it that a process of a test ends with the test, also where the test is ended from outside, for example by its timeout, and nobody tears it down: a guard
 * waits for the end of its input, which whoever holds the other end cannot outlive.
 */
export function guarded(t: ExecutionContext, child: ChildProcess): void {
  const guard = spawn('sh', ['-c', 'cat > /dev/null; kill -9 "$0" 2> /dev/null', `${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Its number may be another process's once it has ended.
  child.once('exit', () => guard.kill('SIGKILL'));
  t.teardown(() => guard.stdin?.end());
}
