// Generated from crates/program/src/record.rs by its test; do not edit.

export type Region = "arena" | "state";

export type Slot = { 
/**
 * Which memory.
 */
region: Region, 
/**
 * First byte.
 */
offset: number, 
/**
 * Length in bytes.
 */
bytes: number, };

export type StateKind = "weights" | "residuals" | "biases" | "headWeights" | "headBiases" | "replaySamples" | "replayTags" | "replayCounts";

export type Window = { 
/**
 * The first step.
 */
start: number, 
/**
 * One past the last.
 */
end: number, 
/**
 * The first live byte, counted from the buffer's beginning.
 */
lo: number, 
/**
 * One past the last.
 */
hi: number, };

export type Purpose = "input" | "activation" | "mask" | "gradient" | "scratch" | "other";

export type CallNumber = { "kind": "field", 
/**
 * Index of the parameter.
 */
param: number, 
/**
 * Index of the field.
 */
field: number, } | { "kind": "param", 
/**
 * Index of the parameter.
 */
param: number, } | { "kind": "offset", 
/**
 * Index of the operand.
 */
operand: number, } | { "kind": "row" };

export type Varying = { 
/**
 * Which number.
 */
number: CallNumber, 
/**
 * The least value.
 */
base: number, 
/**
 * The difference of one in the column.
 */
unit: number, 
/**
 * The first byte of its column, counted from the part's number.
 */
column: number, 
/**
 * Whether the column has two bytes, the lower one first.
 */
wide: boolean, };

export type Part = { 
/**
 * The step of its first turn, from which all others are derived; none for rows of the sample.
 */
step: number | null, 
/**
 * Where the first row of the sample goes; none for steps.
 */
row: number | null, 
/**
 * Bytes of a turn behind its number.
 */
bytes: number, 
/**
 * The numbers that differ from turn to turn.
 */
varying: Array<Varying>, };

export type Stream = { 
/**
 * The first step.
 */
start: number, 
/**
 * One past the last.
 */
end: number, 
/**
 * The parts, by number.
 */
parts: Array<Part>, 
/**
 * The turns, one behind the other: the number of its part, then the bytes of that part's columns.
 */
turns: Array<number>, };

export type Placed = { 
/**
 * For people.
 */
label: string, 
/**
 * What it holds.
 */
purpose: Purpose, 
/**
 * Bytes.
 */
size: number, 
/**
 * First byte.
 */
offset: number, 
/**
 * The live bytes over the steps, ascending and without a gap.
 */
windows: Array<Window>, };

export type Plan = { 
/**
 * No arena can be smaller than this: the most bytes that live at once.
 */
lowerBound: number, 
/**
 * The rule that found the offsets.
 */
heuristic: string, };

export type InputRecord = { 
/**
 * First byte in the arena; none for a sample that comes in row by row.
 */
offset: number | null, 
/**
 * Length in bytes.
 */
bytes: number, 
/**
 * Rows, columns, channels.
 */
shape: [number, number, number], 
/**
 * Scale: `real = (q - zero) * scale`.
 */
scale: number, 
/**
 * Zero point.
 */
zero: number, };

export type StructRecord = { 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * Its type in C.
 */
type: string, 
/**
 * Its fields, in order.
 */
fields: Array<[string, number]>, };

export type RealRecord = { 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * Mantissa.
 */
m: number, 
/**
 * Exponent.
 */
e: number, };

export type ParamRecord = { "kind": "struct" } & StructRecord | { "kind": "update" } & StructRecord | { "kind": "int", 
/**
 * Its value.
 */
value: number, } | { "kind": "real" } & RealRecord | { "kind": "logitScale", 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * Distances from here on count as 40; in decimal, as it has 64 bits.
 */
cap: string, 
/**
 * Bits dropped before the product.
 */
pre: number, 
/**
 * Mantissa.
 */
m: number, 
/**
 * Right shift.
 */
s: number, } | { "kind": "given", 
/**
 * Its name in the kernel table.
 */
name: string, };

export type OperandRecord = { "place": "arena", 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * The type of its elements in C without `_t`; `void` for scratch.
 */
element: string, 
/**
 * First byte.
 */
offset: number, 
/**
 * Length.
 */
bytes: number, 
/**
 * Whether the step writes it.
 */
written: boolean, 
/**
 * Whether the kernel can do without it.
 */
optional: boolean, } | { "place": "state", 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * Its index among `states`.
 */
index: number, 
/**
 * Whether the step writes it.
 */
written: boolean, } | { "place": "constant", 
/**
 * Its name in the kernel table.
 */
name: string, 
/**
 * Its index among `constants`.
 */
index: number, } | { "place": "none", 
/**
 * Its name in the kernel table.
 */
name: string, };

export type StepRecord = { 
/**
 * Op and layer, for people.
 */
label: string, 
/**
 * Sizes, for people.
 */
sizes: string, 
/**
 * The C function.
 */
function: string, 
/**
 * Whether it returns how many gradient elements saturated.
 */
saturates: boolean, 
/**
 * Whether it finishes bytes of a tensor; one that moves lines or only begins a tensor does not.
 */
finishes: boolean, 
/**
 * Whether only a training step needs it: a step of the forward pass that a prediction leaves out.
 */
training: boolean, 
/**
 * Parameters, in the order of C.
 */
params: Array<ParamRecord>, 
/**
 * Operands, in the order of C, behind the parameters.
 */
operands: Array<OperandRecord>, };

export type ConstantRecord = { 
/**
 * A C identifier.
 */
name: string, 
/**
 * The type of its elements in C without `_t`.
 */
element: string, 
/**
 * Number of elements.
 */
length: number, 
/**
 * Bytes.
 */
bytes: number, };

export type StateRecord = { 
/**
 * A C identifier.
 */
name: string, 
/**
 * Its role.
 */
kind: StateKind, 
/**
 * The type of its elements in C without `_t`.
 */
element: string, 
/**
 * Number of elements.
 */
length: number, 
/**
 * Number of its convolution; null for the head.
 */
layer: number | null, 
/**
 * First byte in the state.
 */
offset: number, 
/**
 * Bytes.
 */
bytes: number, 
/**
 * Whether it starts as zeros.
 */
zero: boolean, };

export type PrefixRecord = { 
/**
 * How many first steps no training changes.
 */
steps: number, 
/**
 * Their live-in set: what the rest needs of them.
 */
live: Array<Slot>, };

export type ReplayRecord = { 
/**
 * Steps before its boundary: what they make of a sample is kept.
 */
steps: number, 
/**
 * Samples for which there is a place.
 */
places: number, 
/**
 * Bytes of a kept sample.
 */
sampleBytes: number, 
/**
 * Where the tensors of a kept sample lie in the arena at that boundary.
 */
live: Array<Slot>, };

export type ProgramRecord = { 
/**
 * The model's name.
 */
name: string, 
/**
 * The update scheme, in its long form.
 */
scheme: string, 
/**
 * SHA-256 over its file.
 */
hash: string, 
/**
 * The sample it takes.
 */
input: InputRecord, 
/**
 * Classes of the head; 0 without one.
 */
classes: number, 
/**
 * The first `forward` steps are the forward pass.
 */
forward: number, 
/**
 * Bytes of the arena.
 */
arenaBytes: number, 
/**
 * Bytes of the trainable state.
 */
stateBytes: number, 
/**
 * First byte of the state in the firmware's context.
 */
stateOffset: number, 
/**
 * Bytes of the firmware's context.
 */
contextBytes: number, 
/**
 * Residual bits of a trained weight.
 */
residualBits: number, 
/**
 * Seed of the head and of stochastic rounding, in decimal.
 */
seed: string, 
/**
 * int64 per class: logits, then probabilities in Q0.31.
 */
logits: Slot | null, 
/**
 * All steps.
 */
steps: Array<StepRecord>, 
/**
 * Constants.
 */
constants: Array<ConstantRecord>, 
/**
 * Trainable tensors.
 */
states: Array<StateRecord>, 
/**
 * Runs of steps that take turns over rows, as loops.
 */
streams: Array<Stream>, 
/**
 * Buffers of the arena.
 */
buffers: Array<Placed>, 
/**
 * How they were planned.
 */
plan: Plan, 
/**
 * The first steps that no training changes.
 */
prefix: PrefixRecord, 
/**
 * The replay buffer, if there is one.
 */
replay: ReplayRecord | null, };
