import { TinytrainError } from '../errors.js';
import type { KernelFields } from './input.js';

/** What a pointer of a C kernel points to. */
export type Pointee = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'void';

/** How a kernel of the Program is called in C. */
export interface CKernel {
  /** Function. */
  readonly name: string;
  /** Type of the parameters, if it takes a struct of them. */
  readonly params?: string;
  /** What its pointers point to, in order. */
  readonly pointers: readonly Pointee[];
  /** Whether it returns how many elements saturated. */
  readonly counts: boolean;
}

type Pattern = Omit<CKernel, 'name'>;

const conv: Pattern = {
  params: 'tt_conv_params',
  pointers: ['int8', 'int8', 'int8', 'uint16', 'int32', 'int32', 'int32', 'uint8', 'int8', 'uint8', 'void'],
  counts: false,
};
const inputGrad: Pattern = {
  params: 'tt_conv_params',
  pointers: ['int8', 'int8', 'int8', 'uint16', 'int8', 'void'],
  counts: true,
};
const weightStep: Pattern = {
  params: 'tt_conv_params',
  pointers: ['int8', 'int8', 'uint16', 'uint32', 'int8', 'uint8', 'void'],
  counts: false,
};
const gradScale: Pattern = {
  params: 'tt_grad_scale_params',
  pointers: ['int8', 'uint8', 'int32', 'uint8', 'int8'],
  counts: true,
};

function plain(params: string, ...pointers: Pointee[]): Pattern {
  return { params, pointers, counts: false };
}

function counting(params: string, ...pointers: Pointee[]): Pattern {
  return { params, pointers, counts: true };
}

/** By C function. */
const patterns: Readonly<Record<string, Pattern>> = {
  tt_conv: conv,
  tt_depthwise: conv,
  tt_conv_input_grad: inputGrad,
  tt_depthwise_input_grad: inputGrad,
  tt_conv_weight_step: weightStep,
  tt_depthwise_weight_step: weightStep,
  tt_bias_step: { pointers: ['int8', 'uint32', 'int32', 'int32'], counts: false },
  tt_add: plain('tt_add_params', 'int8', 'int8', 'int8', 'uint8'),
  tt_requantize: plain('tt_requantize_params', 'int8', 'int8', 'uint8'),
  tt_average_pool: plain('tt_pool_params', 'int8', 'int8', 'uint8'),
  tt_average_pool_grad: counting('tt_pool_params', 'int8', 'uint8', 'int8'),
  tt_max_pool: plain('tt_pool_params', 'int8', 'int8', 'uint8'),
  tt_max_pool_grad: counting('tt_pool_params', 'int8', 'int8', 'uint8', 'int8'),
  tt_mean: plain('tt_mean_params', 'int8', 'int8', 'uint8'),
  tt_softmax: plain('tt_softmax_params', 'int8', 'int8'),
  tt_copy_box: counting('tt_copy_params', 'int8', 'int8'),
  tt_fill: plain('tt_fill_params', 'int8'),
  tt_head_logits: plain('tt_head_params', 'int8', 'int16', 'int32', 'int64'),
  tt_head_error: { pointers: ['int64', 'int16'], counts: false },
  tt_head_input_grad: counting('tt_head_params', 'int16', 'int16', 'int8'),
  tt_head_update: plain('tt_head_params', 'int8', 'int16', 'int16', 'int32'),
  tt_grad_scale: gradScale,
  tt_grad_repeat: gradScale,
  tt_sum: counting('tt_sum_params', 'int8', 'int8', 'int8'),
};

function functionName(kernel: KernelFields): string {
  const snake = kernel.name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
  return `tt_${kernel.depthwise ? snake.replace('conv', 'depthwise') : snake}`;
}

/** The C function of a kernel. */
export function cKernel(kernel: KernelFields): CKernel {
  const name = functionName(kernel);
  const pattern = patterns[name];
  if (!pattern) throw new TinytrainError('INTERNAL', `the kernel ${kernel.name} has no function in C`);
  return { name, ...pattern };
}
