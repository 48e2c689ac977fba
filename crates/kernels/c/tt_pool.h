/* Shared by the pooling kernels: windows clipped at the edges of the input. */
#ifndef TT_POOL_H
#define TT_POOL_H

#include "tt_spec.h"

/* Inputs [from, to) of output `o` along one axis. */
typedef struct {
    int32_t from, to;
} tt_span;

TT_INLINE tt_span tt_pool_span(int32_t o, int32_t stride, int32_t pad, int32_t k, int32_t in)
{
    tt_span s = {tt_max(0, o * stride - pad), tt_min(in, o * stride - pad + k)};
    return s;
}

/* Outputs [from, to) whose windows contain input `i`. */
TT_INLINE tt_span tt_windows_of(int32_t i, int32_t stride, int32_t pad, int32_t k, int32_t out)
{
    int32_t first = i + pad - k + 1;
    tt_span s = {first <= 0 ? 0 : (first + stride - 1) / stride, tt_min(out, (i + pad) / stride + 1)};
    return s;
}

#endif
