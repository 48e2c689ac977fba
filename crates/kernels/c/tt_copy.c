/* Copying a box of bytes, and filling. */
#include "tt_spec.h"

uint32_t tt_copy_box(const tt_copy_params *p, const int8_t *src, int8_t *dst)
{
    uint32_t saturated = 0;
    for (int32_t i = 0; i < p->h; i++) {
        for (int32_t j = 0; j < p->w; j++) {
            const int8_t *from = src + p->src_offset + i * p->src_row + j * p->src_col;
            int8_t *to = dst + p->dst_offset + i * p->dst_row + j * p->dst_col;
            if (p->shift == 0) {
                memcpy(to, from, (size_t)p->c);
            } else {
                for (int32_t l = 0; l < p->c; l++)
                    to[l] = tt_grad8(from[l], p->shift, &saturated);
            }
        }
    }
    return saturated;
}

void tt_fill(const tt_fill_params *p, int8_t *dst)
{
    memset(dst, p->value, (size_t)p->n);
}
