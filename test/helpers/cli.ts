import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The command's file. */
export const command = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url));

/** How a command ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user would. `cwd` is where, `main` its file. */
export function tinytrain(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  main: string = command,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', chunk => (stdout += chunk));
    child.stderr.on('data', chunk => (stderr += chunk));
    child.on('error', reject);
    child.on('close', code => resolve({ code, stdout, stderr }));
  });
}
