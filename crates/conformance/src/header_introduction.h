/* Generated from the kernel table (crates/spec/src/kernels/table.rs) by crates/conformance/src/header.rs; do not edit. */

/* The device's kernels: every op of a Program, bit for bit what `tinytrain-spec` documents and the host's reference
 * computes.
 *
 * Layouts (row-major, batch 1): activations and gradients int8 HWC; convolution weights [out_c][kh][kw][in_c];
 * depthwise weights [kh][kw][out_c]; head weights int16 [classes][features]. Weights come in two parts, frozen and
 * trained, and `channels` (ascending) says which channels the trained part holds: input channels of a convolution,
 * output channels of a depthwise one. The frozen part holds the others, in ascending order. NULL stands for
 * whatever is absent: an empty part with its `channels` (which may also be absent where every channel is trained),
 * `offset` where no bias is trained, `shift` where every shift is 0, `mask` where no mask is wanted or everything lay
 * inside. `channels` means the same in forward pass, input gradient and weight step. Every window holds at least one
 * input, padding is less than the kernel, and the `out_c` of a depthwise convolution is a multiple of its `in_c`.
 *
 * Masks have one bit an element of the output, element n at bit (n & 7) of byte (n >> 3); unused bits of the last
 * byte are written 0.
 *
 * Scratch is the caller's, 8-byte aligned, of `room` bytes: at least as many as `spec::scratch` says; more save work. Its
 * content means nothing before and after.
 *
 * Arrays of int8 and uint8 need no alignment (kernels read them by unaligned words, never behind their end); others
 * have that of their elements. Nothing but the arguments is read or written, and nothing is kept between calls.
 *
 * Aliasing: no output may overlap an input or the scratch unless a kernel says "in place".
 *
 * Ranges are the compiler's to check (no accumulator leaves int32, no shift its range): nothing is validated again
 * here. Kernels that round to int8 gradients return how many elements saturated. */
#ifndef TT_KERNELS_H
#define TT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Parameters: the structs of `spec::params`. */

