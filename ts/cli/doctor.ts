import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { Argv, CommandModule } from 'yargs';
import { addonPath } from '#host';
import { cacheFolder } from '../data/cache.js';
import { messageOf } from '../errors.js';
import { table, thousands } from '../format.js';
import { kernels } from '../model/model.js';
import { native } from '../native.js';
import { version } from '../version.js';
import { optionsOf } from './options.js';
import { exitCodes, print, printJson } from './outcome.js';
import { selfTest } from './self-test.js';

/** The result of one check. */
interface Finding {
  readonly what: string;
  readonly found: boolean;
  /** The thing found, or why nothing was. */
  readonly detail: string;
  /** How to install it. */
  readonly help?: string;
  /** Whether the package cannot work without it. */
  readonly needed: boolean;
}

async function tool(what: string, command: string, help: string): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)(command, ['--version']);
    return { what, found: true, detail: stdout.split('\n')[0] ?? '', needed: false };
  } catch (error) {
    return { what, found: false, detail: messageOf(error).split('\n')[0] ?? '', help, needed: false };
  }
}

function addon(): Finding {
  try {
    native();
    return { what: 'addon', found: true, detail: addonPath() ?? '', needed: true };
  } catch (error) {
    return {
      what: 'addon',
      found: false,
      detail: messageOf(error),
      help: 'install tinytrain again, or `npm run build` in a clone',
      needed: true,
    };
  }
}

function simulator(): Finding {
  try {
    const { chosen, available } = kernels();
    return { what: 'kernels', found: true, detail: `${chosen} (available: ${available.join(', ')})`, needed: true };
  } catch (error) {
    return {
      what: 'kernels',
      found: false,
      detail: messageOf(error),
      help: 'unset TINYTRAIN_KERNELS, or set it to available ones',
      needed: true,
    };
  }
}

async function board(): Promise<Finding> {
  const names = await fs.readdir('/dev').catch(() => []);
  const ports = names.filter(name => /^(ttyACM|cu\.usbmodem)/.test(name)).map(name => `/dev/${name}`);
  if (ports.length > 0) return { what: 'board', found: true, detail: ports.join(', '), needed: false };
  return {
    what: 'board',
    found: false,
    detail: 'no serial port of a board found',
    help: 'connect a board, or use QEMU instead',
    needed: false,
  };
}

async function cache(): Promise<Finding> {
  const folder = cacheFolder();
  const names = await fs.readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map(async name => (await fs.stat(join(folder, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return {
    what: 'cache',
    found: true,
    detail: `${thousands(bytes)} B of decoded images in ${folder}; may be deleted`,
    needed: false,
  };
}

/** Whether this machine computes what all others do. */
async function computed(): Promise<Finding[]> {
  return (await selfTest()).map(({ what, equal, checksum, expected, byLibrary }): Finding => {
    const other = `${checksum}, elsewhere ${expected}`;
    const why = byLibrary
      ? 'another version of libvips: accuracies on images differ in the last digits from those of other machines; host and device agree all the same'
      : 'this machine computes other bits than all others: please report it with the output of `npx tinytrain doctor --self-test --json`';
    return {
      what,
      found: equal,
      detail: equal ? `${checksum}, as on every machine` : other,
      ...(equal ? {} : { help: why }),
      needed: !byLibrary,
    };
  });
}

interface Arguments {
  json: boolean;
  'self-test': boolean;
}

async function work(args: Arguments): Promise<void> {
  const findings: Finding[] = [
    {
      what: 'tinytrain',
      found: true,
      detail: `${version}, Node ${process.versions.node}, ${process.platform}-${process.arch}, ${availableParallelism()} threads`,
      needed: true,
    },
    addon(),
    simulator(),
    { what: 'sharp', found: true, detail: `${sharp.versions['sharp']}, libvips ${sharp.versions.vips}`, needed: true },
    await tool('Arm compiler', 'arm-none-eabi-gcc', 'apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi'),
    await tool('QEMU', 'qemu-system-arm', 'apt-get install qemu-system-arm'),
    await board(),
    await cache(),
    ...(args['self-test'] ? await computed() : []),
  ];
  if (args.json) printJson({ findings });
  else {
    print(
      table(
        findings.map(({ what, found, detail }) => [what, found ? 'yes' : 'no', detail]),
        '',
      ),
    );
    const help = findings.filter(finding => finding.help !== undefined);
    if (help.length > 0) print('', ...help.map(finding => `${finding.what}: ${finding.help}`));
  }
  if (findings.some(({ found, needed }) => needed && !found)) process.exitCode = exitCodes.failure;
}

/** `doctor` */
export const doctor: CommandModule<object, Arguments> = {
  command: 'doctor',
  describe: 'list what is installed and what is missing: addon, Arm compiler, QEMU, a board',
  builder: (args: Argv<object>) =>
    args
      .options(optionsOf('doctor'))
      .example('npx tinytrain doctor', 'the first thing to try if something fails')
      .example(
        'npx tinytrain doctor --self-test',
        'whether results here are those of other machines',
      ) as unknown as Argv<Arguments>,
  handler: work,
};
