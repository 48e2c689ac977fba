export { type BadSample, type DataOrigin, Dataset, type SampleSet } from './data/dataset.js';
export { type DefaultImageOptions, defaultImages } from './data/drawn/set.js';
export { decodeImage, type SampleSource } from './data/images/decode.js';
export { type ImageOptions, loadImages } from './data/images/folder.js';
export { type InputFormat, type ResizePolicy, resizePolicies } from './data/input.js';
export type { Progress, WorkOptions } from './data/pool.js';
export { defaultShares, type Split, type SplitShares } from './data/split.js';
export {
  type Counters,
  Device,
  type DeviceOptions,
  type DeviceRate,
  type DeviceStep,
  encodeSaved,
  type Identity,
  parseSaved,
  type SampleFormat,
  type SavedState,
} from './device/device.js';
export {
  type FirmwareManifest,
  type FirmwareOrigin,
  firmwareFiles,
  openFirmware,
  writeFirmware,
} from './device/firmware.js';
export type { Line } from './device/line.js';
export type { Linked } from './device/linked.js';
export { type QemuOptions, startQemu } from './device/qemu.js';
export {
  type RunDifference,
  type RunFirmwareOptions,
  type RunFirmwareResult,
  type RunProgress,
  runFirmware,
} from './device/run.js';
export { SerialLine } from './device/serial.js';
export { build as buildFirmware } from './device/toolchain.js';
export { type ErrorDetails, TinytrainError } from './errors.js';
export {
  defaultModelPath,
  type ForwardResult,
  kernels,
  type LayerInfo,
  loadModel,
  type Model,
  type ModelDescription,
  type ModelInput,
  type ModelOptions,
  type ModelTotals,
  supportedOperators,
} from './model/model.js';
export {
  type CostTable,
  costTable,
  instructionsOfStep,
  type KindCosts,
  readCosts,
} from './program/costs.js';
export {
  defaultTarget,
  type MemoryItem,
  type MemoryLimits,
  type MemoryTable,
  type RegionTotal,
} from './program/memory.js';
export { type CompileOptions, Compiler, compile, type Program, type Stage, targets } from './program/program.js';
export type {
  ConstantRecord,
  InputRecord,
  OperandRecord,
  ParamRecord,
  Placed,
  ProgramRecord,
  Slot,
  StateRecord,
  StepRecord,
} from './program/record.js';
export { type SchemeRecord, schemeText } from './program/scheme.js';
export { contributionFigure } from './report/contributions.js';
export { learningCurve } from './report/curve.js';
export { memoryMap, memoryTable } from './report/memory.js';
export { contributionBars, frontTable, triedTable } from './report/search.js';
export { searchOrigin } from './search/journal.js';
export { search } from './search/search.js';
export type {
  BiasContribution,
  BitsContribution,
  Comparison,
  Contestant,
  Contributions,
  Criterion,
  Estimate,
  FrontPoint,
  Gain,
  LayerContribution,
  Proved,
  SearchEvent,
  SearchOptions,
  SearchPhase,
  SearchPlan,
  SearchResult,
  TrialKey,
  TrialRecord,
} from './search/types.js';
export { type Prediction, Predictor } from './train/predict.js';
export { createRun, openRun, type RunFolder, type RunRecord } from './train/run.js';
export { learningRate, type Rate, Session, type StepResult } from './train/session.js';
export {
  type Accuracy,
  type Augmentation,
  type CurvePoint,
  type Saturation,
  type TrainOptions,
  type TrainPlan,
  type TrainProgress,
  type TrainResult,
  train,
} from './train/train.js';
export { version } from './version.js';
