import type { Argv, CommandModule } from 'yargs';
import { TinytrainError } from '../errors.js';
import { table } from '../format.js';
import { type Comparison, compareFolders, type Difference } from '../report/compare.js';
import { openFolder } from '../report/folders.js';
import { accuracyText } from '../report/search.js';
import { optionsOf } from './options.js';
import { print, printJson } from './outcome.js';

interface Arguments {
  folders: string[];
  json: boolean;
}

/** A difference in points: `+1.2 +- 0.3`. */
function pointsText(mean: number, error: number | null): string {
  const sign = mean < 0 ? '-' : '+';
  return `${sign}${Math.abs(mean * 100).toFixed(1)}${error === null ? '' : ` +- ${(error * 100).toFixed(1)}`}`;
}

function differenceRow({ path, bySeed, pairs, seeds }: Difference): (string | number)[] {
  const [pair] = pairs;
  // A single pair of runs has an error over its images, several have one over their seeds.
  const error = seeds.length === 1 ? (pair?.standardError ?? null) : bySeed.standardError;
  const sum = (of: 'images' | 'onlyBase' | 'onlyOther') => pairs.reduce((total, one) => total + one[of], 0);
  const images = pair ? [sum('images'), sum('onlyOther'), sum('onlyBase')] : [];
  return [path, pointsText(bySeed.mean, error), seeds.length, ...images];
}

function comparisonText({ folders, differences }: Comparison): string {
  const [base] = folders;
  const rows = folders.map(one => [one.path, one.sram, one.steps, one.seeds.length, accuracyText(one.accuracy)]);
  const several = folders.some(({ seeds }) => seeds.length > 1);
  const byImage = differences.some(({ pairs }) => pairs.length > 0);
  const over = differences.some(({ seeds }) => seeds.length > 1) ? 'seeds' : 'test images, paired';
  return [
    table([['', 'SRAM', 'steps', 'seeds', 'test accuracy'], ...rows], ''),
    '',
    ...folders.map(({ path, scheme, residualBits }) => `${path}: ${scheme}, ${residualBits} residual bits`),
    '',
    `points of test accuracy over ${base?.path}`,
    table(
      [
        ['', 'difference', 'seeds', ...(byImage ? ['images', 'only it right', 'only the first right'] : [])],
        ...differences.map(differenceRow),
      ],
      '',
    ),
    '',
    ...(several || byImage ? [`a +- b: mean and standard error; of differences over ${over}`] : []),
  ].join('\n');
}

async function work({ folders, json }: Arguments): Promise<void> {
  if (folders.length < 2) throw new TinytrainError('USAGE', 'two folders or more are compared, and one was given');
  const opened = [];
  for (const path of folders) opened.push(await openFolder(path));
  const found = compareFolders(opened);
  if (json) printJson(found);
  else print(comparisonText(found));
}

/** `compare DIR DIR...` */
export const compare: CommandModule<object, Arguments> = {
  command: 'compare <folders..>',
  describe: 'compare training runs or searches with the first of them: differences paired by seed and by test image',
  builder: (args: Argv<object>) =>
    args
      .positional('folders', {
        describe: 'folders of runs, of runs with several seeds, or of searches',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .options(optionsOf('compare'))
      .example(
        'npx tinytrain compare runs/head runs/sparse',
        'what training more than the head has gained',
      ) as unknown as Argv<Arguments>,
  handler: work,
};
