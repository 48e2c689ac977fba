// Runs a firmware over a serial port, in a process of its own (ports are for main threads), and says each step: `FOLDER PORT STEPS`.
import { runFirmware, TinytrainError } from '#tinytrain';

const [folder = '', port = '', steps] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);
const abort = new AbortController();
process.on('SIGINT', () => abort.abort());
try {
  const onProgress = ({ phase, done }: { readonly phase: string; readonly done: number }) => say(`${phase} ${done}`);
  await runFirmware(folder, {
    port,
    steps: Number(steps),
    predictions: 0,
    timeoutMs: 600_000,
    signal: abort.signal,
    onProgress,
  });
  say('ended');
} catch (error) {
  say(`${error instanceof TinytrainError ? error.code : error}`);
}
