/**
 * Bytes and bits that change only on purpose: whoever changes them changes the figures here in the same commit, and says why.
 */
import test from 'ava';
import { Compiler, compile, defaultImages, loadModel, train } from '#tinytrain';
import { patient } from '../helpers/progress.js';
import { shared, withShared } from '../helpers/shared.js';

/** SHA-256 of the drawn images. */
const IMAGES = '3bc66a7fbdad6b53d00ec46523f3bbdbc3f794282b9c56edd6593d38b2d101c5';
const sparse = 'bias:21,11:1,12:1,14:1,15:1,17:1,18:1';

async function calibrated(path: string | undefined): Promise<Compiler> {
  const model = await loadModel(path, path === undefined ? {} : { input: { height: 128, width: 128 } });
  return Compiler.create(model, await defaultImages(model.input, { trainPerClass: 2, testPerClass: 1 }));
}

const compilers = new Map<string | undefined, Promise<Compiler>>();

/** Bytes of each item of a Program's memory on the STM32F746, and of SRAM in all. */
async function planned(scheme: string, path?: string): Promise<Record<string, number>> {
  const compiler = compilers.get(path) ?? calibrated(path);
  compilers.set(path, compiler);
  const { memory } = await (await compiler).compile({ scheme, target: 'stm32f746' });
  const items = memory.items.map(({ name, bytes }) => [name, bytes] as const);
  return Object.fromEntries([['SRAM', memory.sram.total], ...items]);
}

/** The items of every Program. */
const always = { counters: 48, protocol: 64, stack: 944 };

test('planned bytes of the default model: the head', async t => {
  t.deepEqual(await planned('head'), {
    SRAM: 48_000,
    arena: 45_056,
    head: 1960,
    ...always,
    stack: 872,
    constants: 199_352,
    'initial state': 1960,
    parameters: 2124,
    'code of the model': 4430,
    'code of kernels and board': 27_496,
  });
});

test('planned bytes of the default model: biases', async t => {
  t.deepEqual(await planned('bias:21'), {
    SRAM: 66_088,
    arena: 52_992,
    'trained biases': 10_112,
    head: 1960,
    ...always,
    stack: 912,
    constants: 179_752,
    'initial state': 1960,
    parameters: 3192,
    'code of the model': 13_924,
    'code of kernels and board': 40_232,
  });
});

test('planned bytes of the default model: a sparse update', async t => {
  t.deepEqual(await planned(sparse), {
    SRAM: 196_200,
    arena: 53_312,
    'trained weights': 86_528,
    'residual bits': 43_264,
    'trained biases': 10_112,
    head: 1960,
    ...always,
    stack: 912,
    constants: 94_808,
    'initial state': 88_488,
    parameters: 3240,
    'code of the model': 15_092,
    'code of kernels and board': 47_896,
  });
});

withShared('models/mcunet-5fps.pkl', 'planned bytes of MCUNet: the 49 KB scheme', async t => {
  t.deepEqual(await planned('bias:20,24:1/4,27:1/2,30:1/2', shared('models/mcunet-5fps.pkl')), {
    SRAM: 206_696,
    arena: 165_888,
    'trained weights': 12_096,
    'residual bits': 6048,
    'trained biases': 18_368,
    head: 3240,
    ...always,
    constants: 567_288,
    'initial state': 15_336,
    parameters: 5744,
    'code of the model': 19_002,
    'code of kernels and board': 49_872,
  });
});

withShared('models/mcunet-5fps.pkl', 'planned bytes of MCUNet: the 99 KB scheme', async t => {
  t.deepEqual(await planned('bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4', shared('models/mcunet-5fps.pkl')), {
    SRAM: 268_072,
    arena: 165_888,
    'trained weights': 52_480,
    'residual bits': 26_240,
    'trained biases': 19_168,
    head: 3240,
    ...always,
    constants: 521_560,
    'initial state': 55_720,
    parameters: 5792,
    'code of the model': 20_272,
    'code of kernels and board': 49_872,
  });
});

withShared('models/mbv2-w0.35.pkl', 'planned bytes of MobileNetV2: biases', async t => {
  t.deepEqual(await planned('bias:12', shared('models/mbv2-w0.35.pkl')), {
    SRAM: 261_864,
    arena: 247_808,
    'trained biases': 10_720,
    head: 2280,
    ...always,
    constants: 362_192,
    'initial state': 2280,
    parameters: 5300,
    'code of the model': 15_452,
    'code of kernels and board': 44_800,
  });
});

/**
 * SHA-256 over every trainable byte after 1,000 steps on the drawn images. Whatever decides a bit decides these: kernels, passes, calibration, order and
 * augmentation of the samples, the images themselves. The latter are drawn by librsvg, which another version may
 * round otherwise: the hash of the images says whether that is all.
 */
test('a thousand training steps on the default model', async t => {
  const feed = patient(t);
  const model = await loadModel();
  const data = await defaultImages(model.input);
  t.is(data.hash, IMAGES, 'the drawn images are others: no checksum can be as it was');
  const trained = async (scheme: string) => {
    feed();
    const program = await compile(model, data, { scheme });
    return (await train(program, data, { steps: 1000, lr: 0.0016, onProgress: feed })).checksum;
  };
  t.is(await trained(sparse), '44ce989c3c1a0fd640b8cfd2ff98de9f4b973c8d64a2d809941836162daaa056');
  t.is(await trained('head'), '126a70a9988d1562565e2ab3e50c92d5ee09eb770a6e8b5d160d2a9e0db13ec1');
  t.is(await trained('bias:21'), '1143b150416712eeb0bb792f3b3ea8158e97fd6616b6072eb20111d1810d62e3');
});
