/* `spec::softmax`: powers of two, the logarithm, distances between logits. */
#ifndef TT_EXP_H
#define TT_EXP_H

#include "tt_spec.h"

/* The largest u: 40 in Q6.26. */
#define TT_U_MAX ((uint32_t)40 << 26)

/* u = min(round((d >> pre) * m * 2^-s), 40); 40 if d >= `cap`. */
uint32_t tt_logit_u(const tt_logit_scale *scale, uint64_t d);
/* 2^-u in Q1.31. */
uint32_t tt_exp2_neg(uint32_t u);
/* log2(x) with 26 fraction bits, of x >= 1 with 31 fraction bits. */
uint32_t tt_log2(uint64_t x);

#endif
