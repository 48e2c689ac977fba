// Shared by the scripts in this folder: running commands, finding them, and failing with a clear message.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/** Ends the script with one clear sentence and a remedy. */
export function fail(message, help = []) {
  console.error([`error: ${message}`, ...help.map(line => `  ${line}`)].join('\n'));
  process.exit(1);
}

/** Runs a command and shows its output; if it fails, ends the script with the same exit code. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (error) fail(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs a command and returns what it printed on stdout; ends the script if it fails. */
export function read(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    cwd: root,
    ...options,
  });
  if (error) fail(`${command}: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${args.join(' ')}\` ended with ${status}`, stdout ? [stdout] : []);
  return stdout;
}

/** Whether a command exists and responds to `--version`. */
export function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Runs a command without showing what it prints; whether it succeeded. */
export function tried(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', cwd: root }).status === 0;
}
