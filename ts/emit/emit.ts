import { boardCmake, boardMakefile, boardScript, sourcePaths } from './board.js';
import { cmakeLists, makefile, type SourceLists } from './build.js';
import { type EmitInput, hasProduct, takesImages } from './input.js';
import { modelFile } from './model-c.js';
import { modelHeader } from './model-h.js';
import { ownPrefix, prefixed } from './prefix.js';
import { readme } from './readme.js';
import { seriesFile } from './series.js';
import { stateFile } from './state.js';
import { weightsFile, weightsHeader } from './weights.js';

const KERNELS = 'kernels/';
/** Sources that only a firmware with a store contains, beside those that a board names. */
const STORE = 'store/';
/** Sources that only the firmware of a network for images contains. */
const CAMERA = 'camera/';
/** Sources that only the firmware of a network for series contains: of all, and of spectrograms. */
const SERIES = 'series/';
const FRONTS = ['mel', 'micro'] as const;
/** The application that takes their raw values. */
const SENSOR = 'app/sensor.c';
/** The application that sees and learns by itself, which needs a store and a camera. */
const PRODUCT = 'app/product.c';
/** What both have in common. */
const COMMON = 'app/common.h';
/** Those of which one is built at a time. */
const APPLICATIONS = ['app/main.c', PRODUCT, SENSOR];
const HOST_FLASH = 'board/host/flash.c';
/** The source that only a firmware with a replay buffer contains. */
const REPLAY = 'model/replay.c';
/** Sources that no firmware contains. */
const CALIBRATE = 'calibrate/';

function lists(files: ReadonlyMap<string, string>): SourceLists {
  const c = [...files.keys()].filter(path => path.endsWith('.c')).sort();
  return {
    library: c.filter(path => /^(model|camera|series|protocol|store)\//.test(path)),
    kernels: c.filter(path => path.startsWith('kernels/')),
    app: c.filter(path => path.startsWith('app/') && !APPLICATIONS.includes(path)),
  };
}

/** Whether a source belongs to a board for which the firmware is not built. Folders without a `board.toml` (`common`, `host`) belong to all. */
function isOfOtherBoard(path: string, { sources, boards }: EmitInput): boolean {
  const [top, name] = path.split('/');
  return top === 'board' && sources.has(`board/${name}/board.toml`) && !boards.some(({ board }) => board.name === name);
}

/** Whether a source is there for a store, which this firmware does not have. */
function isOfNoStore(path: string, { store, boards }: EmitInput): boolean {
  const flash = boards.flatMap(({ board }) => sourcePaths(board, board.store?.sources ?? []));
  return !store && (path.startsWith(STORE) || path === HOST_FLASH || flash.includes(path));
}

/** Whether a source is there for a replay buffer, which this firmware does not have. */
function isOfNoReplay(path: string, { record }: EmitInput): boolean {
  return path === REPLAY && record.replay === null;
}

/** Whether a source is there for images, which are no samples of this firmware. */
function isOfNoCamera(path: string, input: EmitInput): boolean {
  return path.startsWith(CAMERA) && !takesImages(input);
}

/** Whether a source is a front end of sounds that is not this one. */
function isOtherFront(path: string, own: string | undefined): boolean {
  return FRONTS.some(name => path.startsWith(`${SERIES}tt_${name}.`) && name !== own);
}

/** Whether a source is there for series, or for spectrograms, which are no samples of this firmware. */
function isOfNoSeries(path: string, { series, marks }: EmitInput): boolean {
  if (path === SENSOR) return !series || marks === true;
  return path.startsWith(SERIES) && (!series || isOtherFront(path, series.front?.name));
}

/** The replacement for the application when costs are calibrated. */
function markFiles({ record, sources }: EmitInput): [string, string][] {
  const count = record.steps.length;
  const header = `#include "model.h"\n\n#define TT_STEPS ${count}\n\nvoid tt_mark(uint32_t step);\n`;
  return [
    ['model/marks.h', header],
    ['app/main.c', sources.get(`${CALIBRATE}main.c`) ?? ''],
  ];
}

/** A Program as a firmware project: path to content. Pure: the same input gives the same bytes. */
export function emit(input: EmitInput): Map<string, string> {
  const files = new Map<string, string>();
  for (const [path, text] of input.sources) {
    const unused = path.startsWith(KERNELS) && path.endsWith('.c') && !input.kernelFiles.includes(path);
    const missing =
      isOfNoStore(path, input) ||
      isOfNoReplay(path, input) ||
      isOfNoCamera(path, input) ||
      isOfNoSeries(path, input) ||
      (path === PRODUCT && !hasProduct(input)) ||
      (path === COMMON && !hasProduct(input) && isOfNoSeries(SENSOR, input));
    if (!unused && !path.startsWith(CALIBRATE) && !isOfOtherBoard(path, input) && !missing) files.set(path, text);
  }
  for (const one of input.boards) {
    const folder = `board/${one.board.name}`;
    files.set(`${folder}/board.mk`, boardMakefile(one.board, input.store));
    files.set(`${folder}/board.cmake`, boardCmake(one.board, input.store));
    files.set(`${folder}/board.ld`, boardScript(one, input.store));
  }
  files.set('model/model.h', modelHeader(input));
  files.set('model/model.c', modelFile(input));
  files.set('model/weights.h', weightsHeader(input));
  files.set('model/weights.c', weightsFile(input));
  files.set('model/state.c', stateFile(input));
  if (input.series) files.set('model/series.c', seriesFile(input));
  if (input.marks) for (const [path, text] of markFiles(input)) files.set(path, text);
  const sources = lists(files);
  files.set('Makefile', makefile(input, sources));
  files.set('CMakeLists.txt', cmakeLists(input, sources));
  files.set('README.md', readme(input));
  files.set('.gitignore', 'build/\nbuild-cmake/\n');
  const named = prefixed(files, input.prefix ?? ownPrefix);
  return new Map([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
}
