/** Frames of a camera: what firmware makes of them is what the host trained with. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { compile, loadImages, loadModel, type Program, Session, TinytrainError } from '#tinytrain';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { tinytrain } from '../helpers/cli.js';
import { has } from '../helpers/firmware.js';
import { temporary, write } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const onHost = has('cc') ? test : test.skip;

/** Classifies frames from stdin; a sample's pixels, then its class and scores, go to stdout. */
const application = `#include <stdio.h>
#include <string.h>
#include "tt_camera.h"

static tt_context network;
static tt_camera camera;
static const tt_view view = TT_VIEW;

int main(void)
{
    static uint8_t frame[2 * 80 * 60], pixels[TT_INPUT_BYTES];
    tt_init(&network);
    while (fread(frame, 1, sizeof frame, stdin) == sizeof frame) {
        uint32_t predicted, scores[TT_CLASSES];
#ifdef TT_FED
        uint8_t *to = pixels;
        if (tt_camera_begin(&camera, &view, TT_RGB565) != TT_OK)
            return 1;
        for (uint32_t y = 0; y < view.height; y++) {
            int8_t *row;
            while (tt_camera_row(&camera, frame + 2 * view.width * y, row = tt_row(&network))) {
                memcpy(to, row, TT_ROW_BYTES);
                to += TT_ROW_BYTES;
                if (tt_row_written(&network, TT_RGB888) != TT_OK)
                    return 2;
            }
        }
        if (to != pixels + TT_INPUT_BYTES || tt_predict(&network, NULL, TT_RGB888, &predicted) != TT_OK)
            return 3;
#else
        int8_t *sample = tt_input(&network);
        if (tt_camera_frame(&camera, &view, frame, TT_RGB565, sample) != TT_OK)
            return 1;
        memcpy(pixels, sample, sizeof pixels);
        if (tt_predict(&network, sample, TT_RGB888, &predicted) != TT_OK)
            return 3;
#endif
        for (uint32_t i = 0; i < TT_CLASSES; i++)
            scores[i] = tt_score(&network, i);
        fwrite(pixels, 1, sizeof pixels, stdout);
        fwrite(&predicted, 1, sizeof predicted, stdout);
        fwrite(scores, 1, sizeof scores, stdout);
    }
    return 0;
}
`;

/** A folder of random frames of 80x60 pixels; `name` keeps them apart in the cache from those of tests at the same time. */
async function frames(folder: string, name: string): Promise<void> {
  const files = ['a', 'b'].flatMap(label =>
    Array.from({ length: 5 }, (_, i) => [`${label}/${name}-${i}.rgb565`, randomBytes(2 * 80 * 60)] as const),
  );
  await write(folder, Object.fromEntries(files));
}

async function said(folder: string, input: Buffer): Promise<Buffer> {
  const sources = (await fs.readdir(folder, { recursive: true })).filter(path =>
    /^(model|camera|kernels)\/.*\.c$/.test(path),
  );
  const include = ['model', 'kernels', 'camera', 'protocol'].map(path => `-I${path}`);
  await fs.writeFile(join(folder, 'frames.c'), application);
  const flags = ['-std=c11', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-Wall', '-Werror'];
  execFileSync('cc', [...flags, ...include, 'frames.c', ...sources, 'protocol/tt_crc.c', '-o', 'frames'], {
    cwd: folder,
  });
  return execFileSync(join(folder, 'frames'), { input });
}

function* heard(bytes: Buffer, { input, classes }: Program) {
  const length = input.height * input.width * input.channels;
  const size = length + 4 + 4 * classes.length;
  for (let at = 0; at + size <= bytes.length; at += size) {
    const sample = Int8Array.from(bytes.subarray(at, at + length), (pixel, i) => {
      const table = input.tables[Math.min(i % input.channels, input.tables.length - 1)];
      return table?.[pixel] ?? 0;
    });
    const words = Array.from({ length: classes.length + 1 }, (_, i) => bytes.readUInt32LE(at + length + 4 * i));
    yield { sample, predicted: words[0], scores: words.slice(1) };
  }
}

for (const feed of ['whole', 'rows'] as const) {
  onHost(`frames become the samples of the host, ${feed === 'whole' ? 'as a whole' : 'row by row'}`, async t => {
    const fed = patient(t);
    const folder = join(await temporary(t), 'frames');
    await frames(folder, feed);
    const model = await loadModel();
    const fitting = { camera: { columns: 80, rows: 60 }, crop: { columns: 70, rows: 50, left: 9, top: 3 } };
    const data = await loadImages(folder, model.input, { ...fitting, resize: 'cover' });
    const program = await compile(model, data, { scheme: 'head', feed });
    const files = await firmwareFiles(program, data, 'stm32f746');
    t.regex(String(files.get('model/model.h')), /#define TT_VIEW \{80, 60, 19, 3, 50, 50\}/);
    const firmware = join(await temporary(t), 'firmware');
    await writeFirmware(firmware, files);
    fed();
    const set = data.train;
    const raw = await Promise.all(set.names.map(name => fs.readFile(name)));
    const found = [...heard(await said(firmware, Buffer.concat(raw)), program)];
    t.is(found.length, set.size);
    const session = new Session(program);
    for (const [i, { sample, predicted, scores }] of found.entries()) {
      t.deepEqual(sample, set.sample(i));
      t.is(session.predict(sample), predicted ?? -1);
      t.deepEqual([...session.scores()], scores);
    }
  });
}

test('a window of other pixels gives other samples, and is not taken from the cache', async t => {
  const folder = await temporary(t);
  await frames(folder, 'window');
  const { input } = await loadModel();
  const camera = { columns: 80, rows: 60 };
  const hash = async (options: Parameters<typeof loadImages>[2]) => (await loadImages(folder, input, options)).hash;
  const whole = await hash({ camera });
  t.is(await hash({ camera }), whole);
  t.is(await hash({ camera, crop: camera }), whole);
  const others = [
    await hash({ camera, resize: 'cover' }),
    await hash({ camera, crop: { columns: 60, rows: 60, left: 0, top: 0 } }),
  ];
  t.is(new Set([whole, ...others]).size, 3);
  // A window in the middle, as wide for its height as the input, is what `cover` means.
  t.is(await hash({ camera, crop: { columns: 60, rows: 60 } }), await hash({ camera, resize: 'cover' }));
});

test('a frame in a file of another format is the same frame; one of another size is refused', async t => {
  const folder = await temporary(t);
  const colours = randomBytes(3 * 80 * 60);
  const raw = sharp(colours, { raw: { width: 80, height: 60, channels: 3 } });
  const ppm = Buffer.concat([Buffer.from('P6 80 60 255\n'), colours]);
  const png = await raw.png().toBuffer();
  await write(folder, { 'train/a/1.png': png, 'train/b/1.ppm': ppm, 'test/a/1.png': png, 'test/b/1.ppm': ppm });
  const { input } = await loadModel();
  const camera = { columns: 80, rows: 60 };
  const { train } = await loadImages(folder, input, { camera });
  t.deepEqual(train.sample(0), train.sample(1));
  const error = await t.throwsAsync(loadImages(folder, input, { camera: { columns: 60, rows: 80 } }), {
    instanceOf: TinytrainError,
    code: 'IMAGE_CORRUPT',
  });
  t.regex(error?.message ?? '', /1\.p[np][gm]: .*it has 80x60 pixels, and the camera’s frames have 60x80/);
});

test('options of a camera that do not go together are refused', async t => {
  const folder = await temporary(t);
  await frames(folder, 'options');
  const { input } = await loadModel();
  const camera = { columns: 80, rows: 60 };
  const refused = async (options: Parameters<typeof loadImages>[2], message: RegExp) => {
    const error = await t.throwsAsync(loadImages(folder, input, options), { instanceOf: TinytrainError });
    t.is(error.code, 'OPTION_INVALID');
    t.regex(error.message, message);
  };
  await refused({ crop: camera }, /needs the size of that, camera/);
  await refused({ camera, resize: 'contain' }, /no bars/);
  await refused(
    { camera, crop: { columns: 70, rows: 60, left: 11, top: 0 } },
    /70x60\+11\+0 reaches beyond the camera’s frame of 80x60/,
  );
  await refused({ camera, crop: { columns: 81, rows: 60 } }, /reaches beyond/);
  await refused({ camera: { columns: 5000, rows: 5000 } }, /more than 16777216 pixels/);
});

test('a run of frames predicts frames, and a firmware of it has their window', async t => {
  const fed = patient(t);
  const root = await temporary(t);
  const folder = join(root, 'frames');
  await frames(folder, 'run');
  const run = join(root, 'run');
  const train = [
    'train',
    '--data',
    folder,
    '--camera',
    '80x60',
    '--crop',
    '60x60+20+0',
    '--steps',
    '2',
    '--lr',
    '0.01',
  ];
  t.is((await tinytrain([...train, '--out', run], root)).code, 0);
  fed();
  const predict = await tinytrain(['predict', run, join(folder, 'a/run-0.rgb565'), '--json'], root);
  t.is(predict.code, 0, predict.stderr);
  const firmware = join(root, 'firmware');
  t.is((await tinytrain(['compile', '--run', run, '--out', firmware], root)).code, 0);
  t.regex(await fs.readFile(join(firmware, 'model/model.h'), 'utf8'), /TT_VIEW \{80, 60, 20, 0, 60, 60\}/);
  const other = join(root, 'other.rgb565');
  await fs.writeFile(other, Buffer.alloc(2 * 160 * 120));
  const wrong = await tinytrain(['predict', run, other], root);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /it has 160x120 pixels/);
  t.is((await tinytrain(['train', '--camera', '80x60', '--steps', '1', '--out', join(root, 'x')], root)).code, 2);
});
