import type { Argv, CommandModule } from 'yargs';
import { thousands } from '../format.js';
import { options } from '../options.js';
import { reportData } from '../report/data.js';
import { openFolder } from '../report/folders.js';
import { reportPage } from '../report/page.js';
import { checkTarget, writeTarget } from './files.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  folders: string[];
  out?: string;
  overwrite: boolean;
  json: boolean;
}

async function work(
  { folders, out = options.reportOut.default, overwrite, json }: Arguments,
  signal: AbortSignal,
): Promise<void> {
  const line = new ProgressLine();
  try {
    await checkTarget(out, overwrite);
    const opened = [];
    for (const folder of folders) opened.push(await openFolder(folder));
    line.show('report', 0, folders.length);
    const data = await reportData(opened, signal);
    const page = await reportPage(data);
    await writeTarget(out, page, overwrite);
    line.clear();
    if (json) printJson(data);
    else
      print(
        `wrote ${shown(out)}: ${thousands(Buffer.byteLength(page))} B, everything in one file`,
        'next: open it in a browser; it needs no network',
      );
  } finally {
    line.clear();
  }
}

/** `report DIR... --out FILE.html` */
export const report = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'report <folders..>',
  describe: 'write one HTML file that shows training runs, searches and firmware, several side by side',
  builder: (args: Argv<object>) =>
    args
      .positional('folders', {
        describe: 'folders that train, search or compile have written',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .options(optionsOf('report'))
      .example(
        'npx tinytrain report runs/mine --out report.html',
        'learning curve, confusion, worst mistakes and memory of a run',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
