/* tt_dot.h, in assembly: GCC spills what is meant to stay in registers. */
#include "tt_dot.h"

#if TT_DSP

#define NAKED __attribute__((naked, noinline))
#define UNUSED __attribute__((unused))

/* r0 weights, r1 columns, r2 r3 weights and low weights, r12 lr inputs; r4 - r7 sums of the first row's or of both, r8 - r11 of the other. On the stack:
 * 0 w, 4 b0, 8 end, 12 zero, 16 m0, 20 b1, 24 m1, 28 out, 32 n, 36 w_end, 40 entry. */
#define BEGIN                                                                                                          \
    "push {r4-r11,lr}\n\t"                                                                                             \
    "ldm r0, {r2-r12}\n\t"                                                                                             \
    "adr.w r0, 90f\n\t"                                                                                                \
    "ldr r12, [r0, r12, lsl #2]\n\t"                                                                                   \
    "push {r2-r12}\n"                                                                                                  \
    "1:\n\t"
#define NEXT                                                                                                           \
    "ldr r2, [sp, #8]\n\t"                                                                                             \
    "cmp r1, r2\n\t"                                                                                                   \
    "bne 1b\n\t"
#define RETURN                                                                                                         \
    "add sp, #44\n\t"                                                                                                  \
    "pop {r4-r11,pc}\n\t"                                                                                              \
    ".balign 4\n"                                                                                                      \
    "90:\n\t"

/* Two elements k and k + 2 of both rows by four pixels. */
#define PACKED                                                                                                         \
    "ldr r2, [r0], #4\n\t"                                                                                             \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "sxtb16 r3, r2\n\t"                                                                                                \
    "smlad r4, r12, r2, r4\n\t"                                                                                        \
    "smlad r8, r12, r3, r8\n\t"                                                                                        \
    "smlad r5, lr, r2, r5\n\t"                                                                                         \
    "smlad r9, lr, r3, r9\n\t"                                                                                         \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "smlad r6, r12, r2, r6\n\t"                                                                                        \
    "smlad r10, r12, r3, r10\n\t"                                                                                      \
    "smlad r7, lr, r2, r7\n\t"                                                                                         \
    "smlad r11, lr, r3, r11\n\t"

/* All sums: 256 S1 + S0 + b0 and S0 + b0, then the outputs before saturation. */
#define PACKED_SUMS                                                                                                    \
    "ldrd r0, r11, [sp]\n\t"                                                                                           \
    "ldr r2, [r0], #4\n\t"                                                                                             \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "sxtb16 r3, r2\n\t"                                                                                                \
    "smlad r4, r12, r2, r11\n\t"                                                                                       \
    "smlad r8, r12, r3, r11\n\t"                                                                                       \
    "smlad r5, lr, r2, r11\n\t"                                                                                        \
    "smlad r9, lr, r3, r11\n\t"                                                                                        \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "smlad r6, r12, r2, r11\n\t"                                                                                       \
    "smlad r10, r12, r3, r11\n\t"                                                                                      \
    "smlad r7, lr, r2, r11\n\t"                                                                                        \
    "smlad r11, lr, r3, r11\n\t" PACKED "ldr pc, [sp, #40]\n\t"                                                        \
    ".balign 4\n"                                                                                                      \
    "14:\n\t" PACKED PACKED "13:\n\t" PACKED PACKED "12:\n\t" PACKED PACKED "11:\n\t" PACKED PACKED                    \
    "ldr r2, [sp, #36]\n\t"                                                                                            \
    "cmp r0, r2\n\t"                                                                                                   \
    "bne 14b\n"                                                                                                        \
    "10:\n\t"                                                                                                          \
    "sub r4, r4, r8\n\t"                                                                                               \
    "sub r5, r5, r9\n\t"                                                                                               \
    "sub r6, r6, r10\n\t"                                                                                              \
    "sub r7, r7, r11\n\t"                                                                                              \
    "ldrd r2, r3, [sp, #12]\n\t"                                                                                       \
    "ldrd r12, lr, [sp, #20]\n\t"                                                                                      \
    "smmlar r8, r8, r3, r2\n\t"                                                                                        \
    "smmlar r9, r9, r3, r2\n\t"                                                                                        \
    "smmlar r10, r10, r3, r2\n\t"                                                                                      \
    "smmlar r11, r11, r3, r2\n\t"                                                                                      \
    "add r4, r12, r4, asr #8\n\t"                                                                                      \
    "add r5, r12, r5, asr #8\n\t"                                                                                      \
    "add r6, r12, r6, asr #8\n\t"                                                                                      \
    "add r7, r12, r7, asr #8\n\t"                                                                                      \
    "smmlar r4, r4, lr, r2\n\t"                                                                                        \
    "smmlar r5, r5, lr, r2\n\t"                                                                                        \
    "smmlar r6, r6, lr, r2\n\t"                                                                                        \
    "smmlar r7, r7, lr, r2\n\t"
#define PACKED_ENTRIES ".word 14b+1, 11b+1, 12b+1, 13b+1, 10b+1"

/* r8 - r11 are outputs of the first row, r4 - r7 of the second. */
#define OUT_INT8                                                                                                       \
    "ldrd r2, r3, [sp, #28]\n\t"                                                                                       \
    "ssat r8, #8, r8\n\t"                                                                                              \
    "ssat r9, #8, r9\n\t"                                                                                              \
    "ssat r10, #8, r10\n\t"                                                                                            \
    "ssat r11, #8, r11\n\t"                                                                                            \
    "ssat r4, #8, r4\n\t"                                                                                              \
    "ssat r5, #8, r5\n\t"                                                                                              \
    "ssat r6, #8, r6\n\t"                                                                                              \
    "ssat r7, #8, r7\n\t"                                                                                              \
    "bfi r8, r4, #8, #8\n\t"                                                                                           \
    "bfi r9, r5, #8, #8\n\t"                                                                                           \
    "bfi r10, r6, #8, #8\n\t"                                                                                          \
    "bfi r11, r7, #8, #8\n\t"                                                                                          \
    "strh r8, [r2]\n\t"                                                                                                \
    "strh r9, [r2, r3]\n\t"                                                                                            \
    "add r2, r2, r3, lsl #1\n\t"                                                                                       \
    "strh r10, [r2]\n\t"                                                                                               \
    "strh r11, [r2, r3]\n\t"                                                                                           \
    "add r2, r2, r3, lsl #1\n\t"                                                                                       \
    "str r2, [sp, #28]\n\t"
#define OUT_INT16                                                                                                      \
    "ldr r2, [sp, #28]\n\t"                                                                                            \
    "ssat r8, #16, r8\n\t"                                                                                             \
    "ssat r9, #16, r9\n\t"                                                                                             \
    "ssat r10, #16, r10\n\t"                                                                                           \
    "ssat r11, #16, r11\n\t"                                                                                           \
    "ssat r4, #16, r4\n\t"                                                                                             \
    "ssat r5, #16, r5\n\t"                                                                                             \
    "ssat r6, #16, r6\n\t"                                                                                             \
    "ssat r7, #16, r7\n\t"                                                                                             \
    "strh r8, [r2]\n\t"                                                                                                \
    "strh r4, [r2, #4]\n\t"                                                                                            \
    "strh r9, [r2, #16]\n\t"                                                                                           \
    "strh r5, [r2, #20]\n\t"                                                                                           \
    "strh r10, [r2, #32]\n\t"                                                                                          \
    "strh r6, [r2, #36]\n\t"                                                                                           \
    "strh r11, [r2, #48]\n\t"                                                                                          \
    "strh r7, [r2, #52]\n\t"                                                                                           \
    "adds r2, #64\n\t"                                                                                                 \
    "str r2, [sp, #28]\n\t"

NAKED void tt_dot_packed(const tt_rows *rows UNUSED, const uint32_t *columns UNUSED)
{
    __asm volatile(BEGIN PACKED_SUMS OUT_INT8 NEXT RETURN PACKED_ENTRIES);
}

NAKED void tt_dot_packed_wide(const tt_rows *rows UNUSED, const uint32_t *columns UNUSED)
{
    __asm volatile(BEGIN PACKED_SUMS OUT_INT16 NEXT RETURN PACKED_ENTRIES);
}

#define INT16                                                                                                          \
    "ldrd r2, r3, [r0], #8\n\t"                                                                                        \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "smlad r8, r12, r2, r8\n\t"                                                                                        \
    "smlad r4, r12, r3, r4\n\t"                                                                                        \
    "smlad r9, lr, r2, r9\n\t"                                                                                         \
    "smlad r5, lr, r3, r5\n\t"                                                                                         \
    "ldrd r12, lr, [r1], #8\n\t"                                                                                       \
    "smlad r10, r12, r2, r10\n\t"                                                                                      \
    "smlad r6, r12, r3, r6\n\t"                                                                                        \
    "smlad r11, lr, r2, r11\n\t"                                                                                       \
    "smlad r7, lr, r3, r7\n\t"

NAKED uint32_t tt_dot_int16(const tt_rows *rows UNUSED, const uint32_t *columns UNUSED)
{
    /* The Q flag is set by SSAT, and never by these sums. */
    __asm volatile("mov r2, #0\n\t"
                   "msr apsr_nzcvq, r2\n\t" BEGIN "ldrd r0, r11, [sp]\n\t"
                         "ldr r7, [sp, #20]\n\t"
                         "ldrd r2, r3, [r0], #8\n\t"
                         "ldrd r12, lr, [r1], #8\n\t"
                         "smlad r8, r12, r2, r11\n\t"
                         "smlad r4, r12, r3, r7\n\t"
                         "smlad r9, lr, r2, r11\n\t"
                         "smlad r5, lr, r3, r7\n\t"
                         "ldrd r12, lr, [r1], #8\n\t"
                         "smlad r10, r12, r2, r11\n\t"
                         "smlad r6, r12, r3, r7\n\t"
                         "smlad r11, lr, r2, r11\n\t"
                         "smlad r7, lr, r3, r7\n\t"
                         "ldr pc, [sp, #40]\n\t"
                         ".balign 4\n"
                         "18:\n\t" INT16 "17:\n\t" INT16 "16:\n\t" INT16 "15:\n\t" INT16 "14:\n\t" INT16 "13:\n\t" INT16
                         "12:\n\t" INT16 "11:\n\t" INT16 "ldr r2, [sp, #36]\n\t"
                         "cmp r0, r2\n\t"
                         "bne 18b\n\t"
                         "ldrd r2, r3, [sp, #12]\n\t"
                         "ldr r12, [sp, #24]\n\t"
                         "smmlar r8, r8, r3, r2\n\t"
                         "smmlar r9, r9, r3, r2\n\t"
                         "smmlar r10, r10, r3, r2\n\t"
                         "smmlar r11, r11, r3, r2\n\t"
                         "smmlar r4, r4, r12, r2\n\t"
                         "smmlar r5, r5, r12, r2\n\t"
                         "smmlar r6, r6, r12, r2\n\t"
                         "smmlar r7, r7, r12, r2\n\t" OUT_INT8 NEXT
                         "mrs r0, apsr\n\t"
                         "ubfx r0, r0, #27, #1\n\t" RETURN
                         ".word 18b+1, 11b+1, 12b+1, 13b+1, 14b+1, 15b+1, 16b+1, 17b+1");
}

void tt_columns_dense(const int8_t *x, int32_t k, uint32_t add, uint32_t *c)
{
    const int8_t *x1 = x + k, *x2 = x1 + k, *x3 = x2 + k, *end = x + (k & ~3);
    if (k >= 4)
        __asm volatile(
            "0:\n\t"
            "ldr r4, [%[x0]], #4\n\t"
            "ldr r5, [%[x1]], #4\n\t"
            "ldr r6, [%[x2]], #4\n\t"
            "ldr r8, [%[x3]], #4\n\t"
            "sxtab16 r9, %[add], r4\n\t"
            "sxtab16 r10, %[add], r5\n\t"
            "sxtab16 r11, %[add], r6\n\t"
            "sxtab16 r12, %[add], r8\n\t"
            "sxtab16 r4, %[add], r4, ror #8\n\t"
            "sxtab16 r5, %[add], r5, ror #8\n\t"
            "sxtab16 r6, %[add], r6, ror #8\n\t"
            "sxtab16 r8, %[add], r8, ror #8\n\t"
            "strd r9, r10, [%[c]], #8\n\t"
            "strd r11, r12, [%[c]], #8\n\t"
            "strd r4, r5, [%[c]], #8\n\t"
            "strd r6, r8, [%[c]], #8\n\t"
            "ldr r4, %[end]\n\t"
            "cmp %[x0], r4\n\t"
            "bne 0b"
            : [x0] "+r"(x), [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3), [c] "+r"(c)
            : [add] "r"(add), [end] "m"(end)
            : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    if (k & 3)
        tt_columns_widen(x, k, k & 3, add, c);
}

#else

/* Four pixels by two elements: `a` of the whole word, `b` of its low bytes or of the second row. */
TT_INLINE void step(const uint32_t *c, int32_t a0, int32_t a1, int32_t b0, int32_t b1, uint32_t *a, uint32_t *b)
{
    for (int32_t j = 0; j < 4; j++) {
        int32_t x0 = (int16_t)c[j], x1 = (int16_t)(c[j] >> 16);
        a[j] += (uint32_t)(a0 * x0) + (uint32_t)(a1 * x1);
        b[j] += (uint32_t)(b0 * x0) + (uint32_t)(b1 * x1);
    }
}

TT_INLINE void packed(const tt_rows *rows, const uint32_t *c, int32_t wide)
{
    int8_t *out = rows->out;
    while (c != rows->end) {
        uint32_t all[4] = {0}, low[4] = {0};
        for (const uint32_t *w = rows->w; w != rows->w_end; w++, c += 4)
            step(c, (int16_t)*w, (int16_t)(*w >> 16), (int8_t)*w, (int8_t)(*w >> 16), all, low);
        for (int32_t j = 0; j < 4; j++, out += wide ? 16 : rows->n) {
            int32_t second = (int32_t)((uint32_t)rows->b1 + (uint32_t)((int32_t)(all[j] - low[j]) >> 8));
            int32_t v0 = tt_smmlar((int32_t)(low[j] + (uint32_t)rows->b0), rows->m0, rows->zero);
            int32_t v1 = tt_smmlar(second, rows->m1, rows->zero);
            if (wide) {
                int16_t w0 = (int16_t)tt_clamp(v0, -32768, 32767), w1 = (int16_t)tt_clamp(v1, -32768, 32767);
                memcpy(out, &w0, 2);
                memcpy(out + 4, &w1, 2);
            } else {
                out[0] = (int8_t)tt_ssat8(v0);
                out[1] = (int8_t)tt_ssat8(v1);
            }
        }
    }
}

void tt_dot_packed(const tt_rows *rows, const uint32_t *columns)
{
    packed(rows, columns, 0);
}

void tt_dot_packed_wide(const tt_rows *rows, const uint32_t *columns)
{
    packed(rows, columns, 1);
}

uint32_t tt_dot_int16(const tt_rows *rows, const uint32_t *c)
{
    int8_t *out = rows->out;
    int32_t saturated = 0;
    while (c != rows->end) {
        uint32_t first[4] = {0}, second[4] = {0};
        for (const uint32_t *w = rows->w; w != rows->w_end; w += 2, c += 4)
            step(c, (int16_t)w[0], (int16_t)(w[0] >> 16), (int16_t)w[1], (int16_t)(w[1] >> 16), first, second);
        for (int32_t j = 0; j < 4; j++, out += rows->n) {
            int32_t v0 = tt_smmlar((int32_t)(first[j] + (uint32_t)rows->b0), rows->m0, rows->zero), c0 = tt_ssat8(v0);
            int32_t v1 = tt_smmlar((int32_t)(second[j] + (uint32_t)rows->b1), rows->m1, rows->zero), c1 = tt_ssat8(v1);
            saturated |= (v0 ^ c0) | (v1 ^ c1);
            out[0] = (int8_t)c0;
            out[1] = (int8_t)c1;
        }
    }
    return saturated != 0;
}

void tt_columns_dense(const int8_t *x, int32_t k, uint32_t add, uint32_t *c)
{
    tt_columns_widen(x, k, k, add, c);
}

#endif

void tt_finish8(const uint32_t *from, int32_t pixels, int8_t *y, int32_t n, uint8_t *mask)
{
    const uint32_t ones = 0x00010001, bytes = 0x00ff00ff;
    for (; !mask && pixels > 0; pixels--, from += 4, y += n) {
        uint32_t c0 = tt_ssat8x2(from[0]), c1 = tt_ssat8x2(from[1]), c2 = tt_ssat8x2(from[2]), c3 = tt_ssat8x2(from[3]);
        tt_store4(y, (c0 & bytes) | (c1 & bytes) << 8);
        tt_store4(y + 4, (c2 & bytes) | (c3 & bytes) << 8);
    }
    for (; pixels > 0; pixels--, from += 4, y += n, mask += n >> 3) {
        uint32_t v0 = from[0], v1 = from[1], v2 = from[2], v3 = from[3];
        uint32_t c0 = tt_ssat8x2(v0), c1 = tt_ssat8x2(v1), c2 = tt_ssat8x2(v2), c3 = tt_ssat8x2(v3);
        tt_store4(y, (c0 & bytes) | (c1 & bytes) << 8);
        tt_store4(y + 4, (c2 & bytes) | (c3 & bytes) << 8);
        /* Bits of the low half: channels 0, 1, 4, 5 in their places; of the high half: 2, 3, 6, 7. */
        uint32_t b = tt_uqsub16(ones, v0 ^ c0);
        b |= tt_uqsub16(ones, v1 ^ c1) << 1;
        b |= tt_uqsub16(ones, v2 ^ c2) << 4;
        b |= tt_uqsub16(ones, v3 ^ c3) << 5;
        *mask = (uint8_t)(b | b >> 14);
    }
}
