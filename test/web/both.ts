// What Node and a browser have to do alike: this module runs in both.
import {
  compile,
  Dataset,
  embeddedModels,
  exportTflite,
  inputLength,
  kernels,
  loadModel,
  type Pixels,
  pixelSample,
  predict,
  ready,
  type SampleSet,
  TinytrainError,
  train,
  trainedAlike,
} from '#tinytrain/web.js';

const CLASSES = ['left', 'right', 'middle'];
const STEPS = 400;
/** Pictures of a class, and how many of them are for training. */
const [EACH, LEARNED] = [24, 16];

/** Whole numbers below 2^16, the same everywhere. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 16;
  }
}

/** A noisy picture, brighter in one of its thirds, in a size that is none of a model's. */
function picture(label: number, index: number): Pixels {
  const [width, height] = [150, 113];
  const random = numbers(1 + label + 100 * index);
  const data = new Uint8ClampedArray(4 * width * height);
  const third = [0, 2, 1][label] ?? 0;
  for (let i = 0; i < width * height; i++) {
    const bright = Math.floor((3 * (i % width)) / width) === third ? 90 : 0;
    for (let c = 0; c < 4; c++) data[4 * i + c] = bright + (random.next().value & 127);
  }
  return { width, height, data };
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const found = await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes));
  return Array.from(new Uint8Array(found), byte => byte.toString(16).padStart(2, '0')).join('');
}

const fitting = { resize: 'cover', crop: { columns: 140, rows: 100, left: 3, top: 7 } } as const;

/** All that has to be equal, and which kernels computed it. */
export async function computed() {
  await ready();
  const model = await loadModel();
  const pictures = CLASSES.flatMap((_, label) =>
    Array.from({ length: EACH }, (_, i) => ({ label, sample: pixelSample(picture(label, i), model.input, fitting) })),
  );
  const setOf = (chosen: typeof pictures): Dataset => {
    const values = new Int8Array(chosen.length * inputLength(model.input));
    for (const [i, { sample }] of chosen.entries()) values.set(sample, i * sample.length);
    return Dataset.from(
      values,
      chosen.map(({ label }) => label),
      model.input,
    );
  };
  const data: SampleSet = {
    classes: CLASSES,
    train: setOf(pictures.filter((_, i) => i % EACH < LEARNED)),
    test: setOf(pictures.filter((_, i) => i % EACH >= LEARNED)),
    skipped: [],
    source: 'pictures of this test',
    hash: '',
  };
  const program = await compile(model, data, { scheme: 'bias:6,20:1,18:1/2', budget: 262_144 });
  let told = 0;
  const result = await train(program, data, { steps: STEPS, onProgress: () => told++ });
  const learned = program.withState(result.state);
  const { outputs } = await model.forward(data.train.sample(0));
  const gone = new AbortController();
  gone.abort(new Error('no more of this'));
  const stopped = await train(program, data, { steps: STEPS, signal: gone.signal }).catch((error: unknown) => error);
  const missing = await loadModel(new Uint8Array(100), { path: 'none.tflite' }).catch((error: unknown) => error);
  const said = (error: unknown) =>
    error instanceof TinytrainError ? { code: error.code, message: error.message } : String(error);
  return {
    kernels: kernels().chosen,
    told: told > 0,
    equal: {
      selfTest: await trainedAlike(model),
      model: model.hash,
      samples: [data.train.hash(), data.test.hash()],
      outputs: outputs.map(values => [...values]),
      program: program.hash,
      memory: program.memory.sram.total,
      steps: result.steps,
      rates: { ...result.rates, seconds: 0 },
      accuracy: result.accuracy,
      curve: result.curve,
      checksum: result.checksum,
      tested: result.tested,
      predictions: (await predict(learned, data.test)).map(({ class: name, score }) => [name, score]),
      tflite: await sha256(await exportTflite(learned, model)),
      stopped: said(stopped),
      missing: said(missing),
    },
    files: embeddedModels,
  };
}
