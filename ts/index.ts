export { type ErrorCode, errorCodes } from './codes.js';
export { joinedClasses, withClasses } from './data/classes.js';
export { type BadSample, Dataset, type Repeated, type SampleSet } from './data/dataset.js';
export { drawnGestures } from './data/drawn/gestures/set.js';
export { type DefaultImageOptions, type DrawnOptions, defaultImages, drawnImages } from './data/drawn/set.js';
export { decodeImage } from './data/images/decode.js';
export { type FolderOptions, type ImageOptions, imageFolder, loadImages } from './data/images/folder.js';
export type { Fitting, ResizePolicy, View } from './data/images/input.js';
export type { ImageSource } from './data/images/open.js';
export type { ColumnScale, InputFormat } from './data/input.js';
export { sampleFolder } from './data/open.js';
export type { DataOrigin, DrawnOrigin, FolderOrigin, SeriesOrigin } from './data/origin.js';
export type { Progress, WorkOptions } from './data/pool.js';
export { type SeriesOptions, seriesFolder } from './data/series/folder.js';
export type { Quantisation, SeriesScale } from './data/series/scale.js';
export type { Listed, Parts, ReadOptions, SampleSource } from './data/source.js';
export { defaultShares, type Split, type SplitShares } from './data/split.js';
export { resizePolicies, type Task, tasks } from './defaults.js';
export type { Connection } from './device/connection.js';
export {
  type Counters,
  Device,
  type DeviceOptions,
  type DeviceStep,
  encodeSaved,
  type Health,
  type Identity,
  parseSaved,
  type SampleFormat,
  type SavedState,
  type Schedule,
} from './device/device.js';
export {
  type FirmwareFiles,
  type FirmwareManifest,
  firmwareFiles,
  openFirmware,
  writeFirmware,
} from './device/firmware.js';
export { type Flashed, flash } from './device/flash.js';
export type { Linked } from './device/linked.js';
export { type OpenBoard, type OpenBoardOptions, openBoard } from './device/port.js';
export { type QemuOptions, startQemu } from './device/qemu.js';
export {
  type RunDifference,
  type RunFirmwareOptions,
  type RunFirmwareResult,
  type RunProgress,
  runFirmware,
} from './device/run.js';
export { SerialConnection } from './device/serial.js';
export { build as buildFirmware } from './device/toolchain.js';
export { type ErrorDetails, TinytrainError } from './errors.js';
export { type PersonaliseEvent, type PersonaliseOptions, personalise } from './fleet/personalise.js';
export type { Person, PersonFailed, Spread, Summary } from './fleet/summary.js';
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
  type ModelOrigin,
  type ModelTotals,
  type QuantisedOrigin,
  supportedOperators,
} from './model/model.js';
export { type QuantiseOptions, quantised } from './model/quantised.js';
export type { Augmentation, Crop, FrameSize, Front, FrontOptions, MelFront, MicroFront } from './options.js';
export type { Origin, ProgramOrigin, SamplesOrigin } from './origin.js';
export { type CompileOptions, Compiler, checkFits, compile, type Stage, targets } from './program/compiler.js';
export {
  type CostTable,
  costTable,
  type Estimate as ProgramEstimate,
  estimateOf,
  instructionsOfStep,
  type KindCosts,
  type KindCycles,
  type Milliseconds,
  type PerPass,
  type StepEstimate,
  type Time,
} from './program/costs.js';
export { readCosts } from './program/costs-file.js';
export { exportNpz, exportTflite } from './program/export.js';
export { grow } from './program/grow.js';
export type { HeadChoice, HeadStart } from './program/head.js';
export {
  defaultTarget,
  type MemoryItem,
  type MemoryLimits,
  type MemoryTable,
  type RegionTotal,
} from './program/memory.js';
export type { Program } from './program/program.js';
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
export type { TrainedState } from './program/state.js';
export type { Workers } from './queue/crew.js';
export { learningRate, type PeakRates, type Rate, type Rates, ratesOfStep } from './rates.js';
export {
  type Compared,
  type Comparison as FolderComparison,
  compareFolders,
  type Difference,
  type Pair,
} from './report/compare.js';
export { contributionFigure } from './report/contributions.js';
export { runsCsv, searchCsv } from './report/csv.js';
export { learningCurve } from './report/curve.js';
export { type ReportData, reportData } from './report/data.js';
export { type EndedRun, type Opened, openFolder } from './report/folders.js';
export { memoryMap, memoryTable } from './report/memory.js';
export { reportPage } from './report/page.js';
export { contributionBars, frontTable, triedTable } from './report/search.js';
export type { WorkerShare, WorkerShares } from './search/crew.js';
export { searchOrigin } from './search/journal.js';
export { checkBudgets } from './search/limits.js';
export { search } from './search/search.js';
export type { Maker } from './search/trial.js';
export type {
  BiasContribution,
  BitsContribution,
  Comparison,
  Contributions,
  Criterion,
  Estimate,
  Finalist,
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
export { Predictor } from './train/predict.js';
export type { Prediction } from './train/predictions.js';
export { createRun, openRun, type RunFolder, type RunRecord } from './train/run.js';
export { Session, type StepResult } from './train/session.js';
export { type TrainOptions, type TrainProgress, train } from './train/train.js';
export type {
  Accuracy,
  CurvePoint,
  HeldOut,
  HeldOutPoint,
  RunCurve,
  RunResult,
  Saturation,
  Tested,
  TrainPlan,
  TrainResult,
} from './train/types.js';
export { version } from './version.js';
export { type WorkEvent, type WorkOptions as WorkerOptions, workFor } from './worker/worker.js';
