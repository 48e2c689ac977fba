/* `arith::Real31`: m * 2^(e - 31), m in [2^30, 2^31) or 0. */
typedef struct {
    uint32_t m;
    int32_t e;
} tt_real31;

/* What an update needs: the compiled parameters, and of this step the rate of the backbone, the shift of the head's error and the
 * generator's inputs. */
typedef struct {
    tt_update_params params;
    tt_real31 lr;
    int32_t k;
    uint32_t step;
    uint64_t seed;
} tt_update;

/* `softmax::LogitScale`. */
typedef struct {
    uint64_t cap;
    uint32_t pre, m;
    int32_t s;
} tt_logit_scale;

/* `softmax::HeadResult`. */
typedef struct {
    uint32_t predicted;
    int32_t loss, k;
    uint32_t any; /* 0 or 1 */
} tt_head_result;

/* Kernels. */
