/* Functions of single values by a table: LOGISTIC. */
#include "tt_spec.h"

void tt_lookup(const tt_lookup_params *p, const int8_t *x, const int8_t *table, int8_t *y)
{
    for (int32_t i = 0; i < p->n; i++)
        y[i] = table[(uint8_t)x[i] ^ 0x80u];
}

uint32_t tt_lookup_grad(const tt_lookup_params *p, const int8_t *g, const int8_t *x, const int32_t *slope, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t i = 0; i < p->n; i++)
        gx[i] = tt_grad8((int64_t)g[i] * slope[(uint8_t)x[i] ^ 0x80u], p->s, &saturated);
    return saturated;
}
