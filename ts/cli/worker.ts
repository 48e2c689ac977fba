import type { Argv, CommandModule } from 'yargs';
import { duration, thousands } from '../format.js';
import { version } from '../version.js';
import { type WorkEvent, workFor } from '../worker/worker.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  redis: string;
  threads?: number;
  'cache-memory'?: number;
  json: boolean;
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const began = performance.now();
  let done = 0;
  const onEvent = (event: WorkEvent): void => {
    if (event.type === 'ready') {
      const text = `worker at ${event.place}, tinytrain ${version}, ${event.threads} threads; Ctrl-C ends it`;
      if (!args.json) print(text);
      return;
    }
    done = event.done;
    if (event.type === 'failed') {
      line.clear();
      process.stderr.write(`a job has failed: ${event.message}\n`);
    }
    line.count(`${thousands(event.done)} done, ${event.running} running`);
  };
  try {
    await workFor(args.redis, { threads: args.threads, cacheBytes: args['cache-memory'], signal, onEvent });
  } finally {
    line.clear();
  }
  const seconds = (performance.now() - began) / 1000;
  if (args.json) printJson({ done, seconds });
  else print(`${thousands(done)} jobs in ${duration(seconds)}`);
}

/** `worker` */
export const worker = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'worker',
  describe: 'make the training runs of searches on other machines, which meet at a Redis server',
  builder: (args: Argv<object>) =>
    args
      .options(optionsOf('worker'))
      .example('npx tinytrain worker --redis redis://10.0.0.1:6379', 'until Ctrl-C') as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
