/** Sounds as spectrograms: `--front mel`, from the first look at a folder to a firmware. */
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { MemoryTable } from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { temporary, write } from '../helpers/folder.js';
import { wav } from '../helpers/series.js';
import { mono, tone, writeTones } from '../helpers/tones.js';

const sounds = ['--data', 'sounds', '--front', 'mel:channels=12', '--window', '10', '--hop', '5'];

/** Bytes of the items of a memory table that was printed as JSON, which are its total. */
function bytesOf({ sram, items }: MemoryTable): Record<string, number> {
  const own = items.filter(({ region }) => region === 'sram');
  if (own.reduce((sum, { bytes }) => sum + bytes, 0) !== sram.total) throw new Error('the items are not the total');
  return Object.fromEntries(own.map(({ name, bytes }) => [name, bytes]));
}

test('sounds go through train, predict, a run that goes on, a search and compile as spectrograms', async t => {
  const folder = await temporary(t);
  await writeTones(folder);
  const model = ['--model', 'net.onnx', ...sounds];
  const train = await tinytrain(['train', ...model, '--steps', '60', '--lr', '0.1', '--out', 'run', '--json'], folder);
  t.is(train.code, 0, train.stderr);
  const result = JSON.parse(train.stdout);
  t.deepEqual([result.data.train, result.data.test, result.accuracy.after], [16, 8, 1]);
  const { origin } = JSON.parse(await fs.readFile(join(folder, 'run', 'run.json'), 'utf8'));
  const front = { kind: 'mel', rate: 8000, window: 30, stride: 20, channels: 12, low: 125, high: 3750 };
  t.deepEqual([origin.data.origin.front, origin.input.units.length], [front, 12]);
  const predicted = await tinytrain(['predict', 'run', 'sounds/test', '--json'], folder);
  t.is(predicted.code, 0, predicted.stderr);
  const { predictions } = JSON.parse(predicted.stdout);
  t.is(predictions.length, 8);
  t.true(predictions.every((p: { name: string; class: string }) => p.name.includes(p.class)));
  const more = await tinytrain(['train', '--from', 'run', '--steps', '2', '--out', 'more', '--json'], folder);
  t.is(JSON.parse(more.stdout).accuracy.before, 1, more.stderr);
  // Other recordings, read as those of the run.
  const other = ['train', '--from', 'run', '--data', 'sounds', '--steps', '2', '--out', 'other', '--json'];
  const again = await tinytrain(other, folder);
  t.is(again.code, 0, again.stderr);
  t.deepEqual(JSON.parse(again.stdout).data, JSON.parse(more.stdout).data);
  // Another front end reads other samples.
  const wide = await tinytrain(
    ['train', ...model.map(word => word.replace('=12', '=12,stride=10')), '--steps', '1', '--out', 'wide', '--json'],
    folder,
  );
  t.is(JSON.parse(wide.stdout).data.train, 32, wide.stderr);
  const compiled = await tinytrain(['compile', '--run', 'more', '--out', 'firmware', '--json'], folder);
  t.is(compiled.code, 0, compiled.stderr);
  const { sensor, files } = JSON.parse(compiled.stdout);
  t.like(bytesOf(sensor), {
    'ring of a window': 12 + 120,
    'front end': 4 * 256 + 4 + 2 * 240,
    'row of raw values': 24,
  });
  t.deepEqual(
    files.filter((path: string) => /series|sensor|camera|product/.test(path)),
    [
      'app/sensor.c',
      'model/series.c',
      'series/tt_front.h',
      'series/tt_mel.c',
      'series/tt_mel.h',
      'series/tt_series.c',
      'series/tt_series.h',
    ],
  );
  const header = await fs.readFile(join(folder, 'firmware', 'model', 'model.h'), 'utf8');
  t.regex(header, /#define TT_WINDOW 10u .*\n#define TT_HOP 5u .*\n#define TT_MEL_FRAME 240u/);
  const told = await tinytrain(['compile', '--run', 'more', '--out', 'firmware'], folder);
  t.regex(
    told.stdout,
    /APP=sensor: takes raw values.*\nSRAM of stm32f746 with APP=sensor, bytes\n(?:.*\n)+? *ring of a window +132 .*\n *front end +1,508 /,
  );
});

test('the micro front end is recorded with all that it is, and firmware has it', async t => {
  const folder = await temporary(t);
  await writeTones(folder);
  const micro = sounds.map(word => (word.startsWith('mel') ? 'micro:channels=12,even=0.1,pcan=0' : word));
  const model = ['--model', 'net.onnx', ...micro, '--mean', '0', '--std', '25.6'];
  const train = await tinytrain(['train', ...model, '--steps', '60', '--lr', '0.1', '--out', 'run', '--json'], folder);
  t.is(train.code, 0, train.stderr);
  t.is(JSON.parse(train.stdout).accuracy.after, 1);
  const { origin } = JSON.parse(await fs.readFile(join(folder, 'run', 'run.json'), 'utf8'));
  const frames = { rate: 8000, window: 30, stride: 20, channels: 12, low: 125, high: 3750 };
  const noise = { smoothing: 10, even: 0.1, odd: 0.06, remaining: 0.05 };
  t.deepEqual(origin.data.origin.front, {
    kind: 'micro',
    ...frames,
    ...noise,
    pcan: 0,
    offset: 80,
    gain: 21,
    scale: 6,
  });
  t.deepEqual([origin.input.mean, origin.input.std], [[0], [25.6]]);
  const more = await tinytrain(['train', '--from', 'run', '--steps', '2', '--out', 'more', '--json'], folder);
  t.is(JSON.parse(more.stdout).accuracy.before, 1, more.stderr);
  const compiled = await tinytrain(['compile', '--run', 'more', '--out', 'firmware', '--json'], folder);
  t.is(compiled.code, 0, compiled.stderr);
  const { sensor, files } = JSON.parse(compiled.stdout);
  t.like(bytesOf(sensor), { 'ring of a window': 12 + 120, 'front end': 2 * 256 + 4 * 12 + 4 + 2 * 240 });
  t.deepEqual(
    files.filter((path: string) => path.startsWith('series/')),
    ['tt_front.h', 'tt_micro.c', 'tt_micro.h', 'tt_series.c', 'tt_series.h'].map(name => `series/${name}`),
  );
  const header = await fs.readFile(join(folder, 'firmware', 'model', 'model.h'), 'utf8');
  t.regex(header, /#define TT_MICRO_FRAME 240u .*\n(?:.*\n)*#define TT_MICRO_EVEN 1638u/);
  t.notRegex(header, /GAIN_SHIFT/);
});

test('what cannot become a spectrogram is refused in a sentence', async t => {
  const folder = await temporary(t);
  await writeTones(folder);
  const refused = async (args: readonly string[], message: RegExp, code = 1) => {
    const found = await tinytrain(['train', '--model', 'net.onnx', '--steps', '1', '--out', 'none', ...args], folder);
    t.is(found.code, code, found.stderr);
    t.regex(found.stderr, message);
    t.false(found.stderr.includes('\n    at '));
  };
  const front = (text: string) => [...sounds.map(word => (word.startsWith('mel') ? text : word))];
  await refused(
    front('mel:rate=16000'),
    /low.0\.wav: 8,000 values a second, where the spectrograms are those of 16,000|high.0\.wav: 8,000/,
  );
  await refused(
    front('mel:channels=200'),
    /channel 1 of 200 has no line of the spectrum, which are 31\.2 Hz apart; take fewer/,
  );
  await refused(
    front('mel:high=5000'),
    /channels from 125 to 5000 Hz; the second must be above the first and at most 4000/,
  );
  await refused(front('mel:window=600'), /a frame of 4800 values; possible are 16 to 4096/);
  await refused(front('mel:stride=40'), /320 values from one frame of 240 to the next/);
  await refused(front('micro:window=4,stride=4'), /a frame of 32 values; possible are 33 to 4096/);
  await refused(front('micro:high=4000'), /channels from 125 to 4000 Hz; .* at most 3999/);
  await refused(front('micro:gain=13'), /13 bits of gain; possible are 14 to 30/);
  await refused(front('micro:smoothing=1'), /1 bits of smoothing; possible are 2 to 16/);
  await refused(front('mfcc'), /--front mfcc: expected mel or micro, or with :NAME=NUMBER/, 2);
  await refused(['--front', 'mel'], /--front does nothing without --data, a folder of sounds/, 2);
  const with1 = async (name: string, bytes: Buffer | string, message: RegExp) => {
    await write(folder, { [`sounds/train/low/${name}`]: bytes });
    await refused(sounds, message);
    await fs.rm(join(folder, 'sounds/train/low', name));
  };
  const values = tone(400, 2480);
  await with1('9.wav', wav(values, { ...mono, rate: 44_100 }), /9\.wav: 44,100 values a second, where .* 8,000\n/);
  await with1('9.wav', wav(values, { ...mono, rate: 0 }), /9\.wav: 0 values a second, where .* 8,000\n/);
  await with1(
    '9.wav',
    wav(values, { ...mono, channels: 2 }),
    /9\.wav: not a recording that can be read: 2 columns; a spectrogram is made of one/,
  );
  await with1('9.wav', wav(values.slice(0, 239), mono), /9\.wav: not .*: 239 values; a frame has 240/);
  const lying = wav(values, mono);
  lying.writeUInt32LE(0xfffffff0, 40);
  await with1(
    '9.wav',
    lying,
    /9\.wav: not .*: the \.wav says that its part "data" has 4294967280 bytes; the file holds 4960/,
  );
  // The first recording says the rate, which the front end may not know.
  await write(folder, {
    'fast/train/a/0.wav': wav(values, { ...mono, rate: 4_000_000 }),
    'fast/train/b/0.wav': wav(values, mono),
  });
  await write(folder, { 'fast/test/a/0.wav': wav(values, mono), 'fast/test/b/0.wav': wav(values, mono) });
  const fast = sounds.map(word => (word === 'sounds' ? 'fast' : word));
  await refused(fast, /a.0\.wav: no spectrogram can be made: 4000000 values a second; possible are 1 to 192000/);
  // A table says no rate.
  const csv = `${values.join('\n')}\n`;
  await write(
    folder,
    Object.fromEntries(['train/a', 'train/b', 'test/a', 'test/b'].map(at => [`tables/${at}/0.csv`, csv])),
  );
  const tables = sounds.map(word => (word === 'sounds' ? 'tables' : word));
  await refused(tables, /0\.csv: it does not say how many values a second it has\n.*mel:rate=16000/);
  const rated = await tinytrain(
    [
      'train',
      '--model',
      'net.onnx',
      ...tables.map(word => word.replace('=12', '=12,rate=8000')),
      '--steps',
      '1',
      '--out',
      'rated',
    ],
    folder,
  );
  t.is(rated.code, 0, rated.stderr);
});
