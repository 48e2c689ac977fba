// `tinytrain/browser`: what of the library needs no files, no image library and no other programs. All of it runs under Node as well.
export { addonReady as ready } from '#host';
export { type ErrorCode, errorCodes } from './codes.js';
export { type BadSample, Dataset, type Repeated, type SampleSet } from './data/dataset.js';
export type { Fitting, ResizePolicy } from './data/images/input.js';
export { type Pixels, pixelSample } from './data/images/pixels.js';
export { type ColumnScale, type InputFormat, inputLength } from './data/input.js';
export type { Progress, WorkOptions } from './data/pool.js';
export type { SeriesScale } from './data/series/scale.js';
export { type ErrorDetails, TinytrainError } from './errors.js';
export { FloatModel, type FloatModelOptions, loadFloatModel, type QuantisedModel } from './model/float.js';
export type { InputFacts, ModelInput } from './model/input.js';
export {
  defaultModelPath,
  embeddedModels,
  type ForwardResult,
  kernels,
  type LayerInfo,
  loadModel,
  type Model,
  type ModelDescription,
  type ModelOptions,
  supportedOperators,
} from './model/model.js';
export type { Augmentation, Crop } from './options.js';
export { type CompileOptions, Compiler, checkFits, compile, targets } from './program/compiler.js';
export { type Estimate, estimateOf, type StepEstimate } from './program/costs.js';
export { exportNpz, exportTflite } from './program/export.js';
export type { HeadChoice } from './program/head.js';
export type { MemoryItem, MemoryLimits, MemoryTable } from './program/memory.js';
export type { Program } from './program/program.js';
export type { TrainedState } from './program/state.js';
export { learningRate, type PeakRates, type Rate, type Rates, ratesOfStep } from './rates.js';
export { type Computed, trainedAlike } from './train/alike.js';
export { type Prediction, predict } from './train/predictions.js';
export { Session, type StepResult } from './train/session.js';
export { type TrainOptions, type TrainProgress, train } from './train/train.js';
export type { Accuracy, CurvePoint, HeldOutPoint, RunCurve, RunResult, TrainResult } from './train/types.js';
