/* The few DSP instructions on which the kernels are built, and portable C that equals them in every bit. TT_NO_DSP
 * selects the portable form. A "pair" is a word of two int16, the first in the low half. Sums wrap, like those of the
 * instructions. Both forms rely on two guarantees of GCC: >> of signed numbers is arithmetic, and conversion to a
 * narrower type is modulo 2^n. */
#ifndef TT_DSP_H
#define TT_DSP_H

#include <stdint.h>
#include <string.h>

#define TT_INLINE static inline __attribute__((always_inline))

/* Unaligned words, little endian. */
TT_INLINE uint32_t tt_load4(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

TT_INLINE void tt_store4(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}

/* The first `n` (1 to 4) bytes of a word, with the others 0: no byte beyond the end of an array is ever read. */
TT_INLINE uint32_t tt_load_part(const int8_t *p, int32_t n)
{
    uint32_t v = (uint8_t)p[0];
    if (n > 1)
        v |= (uint32_t)(uint8_t)p[1] << 8;
    if (n > 2)
        v |= (uint32_t)(uint8_t)p[2] << 16;
    if (n > 3)
        v |= (uint32_t)(uint8_t)p[3] << 24;
    return v;
}

TT_INLINE uint32_t tt_pair(int32_t low, int32_t high)
{
    return (uint16_t)low | (uint32_t)high << 16;
}

#if defined(__ARM_FEATURE_DSP) && !defined(TT_NO_DSP)

#define TT_DSP 1

#include <arm_acle.h>

/* acc + a.low * b.low + a.high * b.high */
TT_INLINE int32_t tt_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, acc);
}

/* Bytes 0 and 2 as a pair; with `_odd`, bytes 1 and 3. */
TT_INLINE uint32_t tt_sxtb16(uint32_t v)
{
    uint32_t r;
    __asm("sxtb16 %0, %1" : "=r"(r) : "r"(v));
    return r;
}

TT_INLINE uint32_t tt_sxtb16_odd(uint32_t v)
{
    uint32_t r;
    __asm("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v));
    return r;
}

/* The same, added to a pair. */
TT_INLINE uint32_t tt_sxtab16(uint32_t to, uint32_t v)
{
    uint32_t r;
    __asm("sxtab16 %0, %1, %2" : "=r"(r) : "r"(to), "r"(v));
    return r;
}

TT_INLINE uint32_t tt_sxtab16_odd(uint32_t to, uint32_t v)
{
    uint32_t r;
    __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(to), "r"(v));
    return r;
}

/* (a.low, b.low) */
TT_INLINE uint32_t tt_lows(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

/* (a.high, b.high) */
TT_INLINE uint32_t tt_highs(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(b), "r"(a));
    return r;
}

/* add + ((a * b + 2^31) >> 32) */
TT_INLINE int32_t tt_smmlar(int32_t a, int32_t b, int32_t add)
{
    int32_t r;
    __asm("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(add));
    return r;
}

/* add + (a * b >> 32) */
TT_INLINE int32_t tt_smmla(int32_t a, int32_t b, int32_t add)
{
    int32_t r;
    __asm("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(add));
    return r;
}

/* The low bytes of four words as one. */
TT_INLINE uint32_t tt_bytes4(int32_t a, int32_t b, int32_t c, int32_t d)
{
    __asm("bfi %0, %1, #8, #8\n\tbfi %0, %2, #16, #8\n\tbfi %0, %3, #24, #8" : "+r"(a) : "r"(b), "r"(c), "r"(d));
    return (uint32_t)a;
}

/* Saturated to int8. */
TT_INLINE int32_t tt_ssat8(int32_t v)
{
    int32_t r;
    __asm("ssat %0, #8, %1" : "=r"(r) : "r"(v));
    return r;
}

/* Both halves of a pair saturated to int8. */
TT_INLINE uint32_t tt_ssat8x2(uint32_t v)
{
    uint32_t r;
    __asm("ssat16 %0, #8, %1" : "=r"(r) : "r"(v));
    return r;
}

/* Sums of halves, modulo 2^16. */
TT_INLINE uint32_t tt_sadd16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

/* Differences of unsigned halves, 0 where they would be negative. */
TT_INLINE uint32_t tt_uqsub16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm("uqsub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

#else

#define TT_DSP 0

TT_INLINE int32_t tt_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t low = (int16_t)a * (int16_t)b;
    int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)acc + (uint32_t)low + (uint32_t)high);
}

TT_INLINE uint32_t tt_sxtb16(uint32_t v)
{
    return tt_pair((int8_t)v, (int8_t)(v >> 16));
}

TT_INLINE uint32_t tt_sxtb16_odd(uint32_t v)
{
    return tt_pair((int8_t)(v >> 8), (int8_t)(v >> 24));
}

TT_INLINE uint32_t tt_sxtab16(uint32_t to, uint32_t v)
{
    return tt_pair((int16_t)to + (int8_t)v, (int16_t)(to >> 16) + (int8_t)(v >> 16));
}

TT_INLINE uint32_t tt_sxtab16_odd(uint32_t to, uint32_t v)
{
    return tt_pair((int16_t)to + (int8_t)(v >> 8), (int16_t)(to >> 16) + (int8_t)(v >> 24));
}

TT_INLINE uint32_t tt_lows(uint32_t a, uint32_t b)
{
    return (a & 0xffffu) | b << 16;
}

TT_INLINE uint32_t tt_highs(uint32_t a, uint32_t b)
{
    return a >> 16 | (b & 0xffff0000u);
}

TT_INLINE int32_t tt_smmlar(int32_t a, int32_t b, int32_t add)
{
    int32_t product = (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
    return (int32_t)((uint32_t)add + (uint32_t)product);
}

TT_INLINE int32_t tt_smmla(int32_t a, int32_t b, int32_t add)
{
    return (int32_t)((uint32_t)add + (uint32_t)(int32_t)(((int64_t)a * b) >> 32));
}

TT_INLINE uint32_t tt_bytes4(int32_t a, int32_t b, int32_t c, int32_t d)
{
    return (uint32_t)(uint8_t)a | (uint32_t)(uint8_t)b << 8 | (uint32_t)(uint8_t)c << 16 | (uint32_t)d << 24;
}

TT_INLINE int32_t tt_ssat8(int32_t v)
{
    return v < -128 ? -128 : v > 127 ? 127 : v;
}

TT_INLINE uint32_t tt_ssat8x2(uint32_t v)
{
    return tt_pair(tt_ssat8((int16_t)v), tt_ssat8((int16_t)(v >> 16)));
}

TT_INLINE uint32_t tt_sadd16(uint32_t a, uint32_t b)
{
    return tt_pair((int16_t)a + (int16_t)b, (int16_t)(a >> 16) + (int16_t)(b >> 16));
}

TT_INLINE uint32_t tt_uqsub16(uint32_t a, uint32_t b)
{
    int32_t low = (int32_t)(a & 0xffffu) - (int32_t)(b & 0xffffu), high = (int32_t)(a >> 16) - (int32_t)(b >> 16);
    return tt_pair(low < 0 ? 0 : low, high < 0 ? 0 : high);
}

#endif
#endif
