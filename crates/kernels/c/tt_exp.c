#include "tt_exp.h"

/* 2^(-i/32) in Q1.31. */
static const uint32_t table[32] = {
    2147483648u, 2101467502u, 2056437387u, 2012372174u, 1969251188u, 1927054196u, 1885761398u, 1845353420u,
    1805811301u, 1767116489u, 1729250827u, 1692196547u, 1655936265u, 1620452965u, 1585730000u, 1551751076u,
    1518500250u, 1485961921u, 1454120821u, 1422962010u, 1392470869u, 1362633090u, 1333434672u, 1304861917u,
    1276901417u, 1249540052u, 1222764986u, 1196563654u, 1170923762u, 1145833280u, 1121280436u, 1097253708u,
};

/* ln(2)^k / k! for k = 1 to 4, in Q1.31. */
static const uint32_t series[4] = {1488522236u, 515882496u, 119194166u, 20654775u};

uint32_t tt_logit_u(const tt_logit_scale *scale, uint64_t d)
{
    if (d >= scale->cap)
        return TT_U_MAX;
    uint64_t v = ((d >> scale->pre) * scale->m + ((uint64_t)1 << (scale->s - 1))) >> scale->s;
    return v < TT_U_MAX ? (uint32_t)v : TT_U_MAX;
}

uint32_t tt_exp2_neg(uint32_t u)
{
    uint32_t whole = u >> 26, at = (u >> 21) & 31;
    uint64_t t = (uint64_t)(u & 0x1fffff) << 5, p = series[3];
    for (int32_t k = 2; k >= 0; k--)
        p = series[k] - ((p * t) >> 31);
    p = ((uint64_t)1 << 31) - ((p * t) >> 31);
    uint64_t v = (table[at] * p + ((uint64_t)1 << 30)) >> 31;
    return whole == 0 ? (uint32_t)v : (uint32_t)((v + ((uint64_t)1 << (whole - 1))) >> whole);
}

uint32_t tt_log2(uint64_t x)
{
    uint32_t whole = 0, bits = 0;
    while (x >> whole >> 32)
        whole++;
    uint64_t v = x >> whole;
    for (int32_t i = 0; i < 24; i++) {
        v = (v * v) >> 31;
        uint32_t bit = (uint32_t)(v >> 32);
        v >>= bit;
        bits = bits << 1 | bit;
    }
    return (whole << 26) + (bits << 2);
}
