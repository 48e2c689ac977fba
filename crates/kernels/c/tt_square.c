/* tt_square.h, in assembly where registers are scarce. */
#include "tt_square.h"

#if TT_DSP

#define NAKED __attribute__((naked, noinline))
#define UNUSED __attribute__((unused))

/* Offsets of the fields on the stack. */
#define M "#4"
#define OUT "#12"
#define ROW "#20"
#define X_END "#24"
#define WIDTH "#28"
#define SKIP "#32"
#define LAST "#36"
#define X "#40"
#define ENTRY "#48"
#define ROWS "#52"
#define PLANE "#56"

#define BEGIN                                                                                                          \
    "mov r1, #0\n\t"                                                                                                   \
    "msr apsr_nzcvq, r1\n\t"                                                                                           \
    "push {r4-r11,lr}\n\t"                                                                                             \
    "add r2, r0, #40\n\t"                                                                                              \
    "ldm r2, {r3-r8}\n\t"                                                                                              \
    "push {r3-r8}\n\t"                                                                                                 \
    "ldm r0, {r3-r12}\n\t"                                                                                             \
    "push {r3-r12}\n\t"
/* The Q flag is set by SSAT, and never by these sums. */
#define RETURN                                                                                                         \
    "add sp, #64\n\t"                                                                                                  \
    "mrs r0, apsr\n\t"                                                                                                 \
    "and r0, r0, #0x8000000\n\t"                                                                                       \
    "pop {r4-r11,pc}\n\t"

#define SCALE                                                                                                          \
    "ldrd r0, r12, [sp, " M "]\n\t"                                                                                    \
    "smmlar r8, r8, r0, r12\n\t"                                                                                       \
    "smmlar r9, r9, r0, r12\n\t"                                                                                       \
    "smmlar r10, r10, r0, r12\n\t"                                                                                     \
    "smmlar r11, r11, r0, r12\n\t"
#define INT8                                                                                                           \
    SCALE "ldrd r0, r12, [sp, " OUT "]\n\t"                                                                            \
          "ssat r8, #8, r8\n\t"                                                                                        \
          "ssat r9, #8, r9\n\t"                                                                                        \
          "ssat r10, #8, r10\n\t"                                                                                      \
          "ssat r11, #8, r11\n\t"                                                                                      \
          "strb r8, [r0]\n\t"                                                                                          \
          "strb r9, [r0, r12]\n\t"                                                                                     \
          "add r0, r0, r12, lsl #1\n\t"                                                                                \
          "strb r10, [r0]\n\t"                                                                                         \
          "strb r11, [r0, r12]\n\t"                                                                                    \
          "add r0, r0, r12, lsl #1\n\t"                                                                                \
          "str r0, [sp, " OUT "]\n\t"
#define INT16                                                                                                          \
    SCALE "ldr r0, [sp, " OUT "]\n\t"                                                                                  \
          "ssat r8, #16, r8\n\t"                                                                                       \
          "ssat r9, #16, r9\n\t"                                                                                       \
          "ssat r10, #16, r10\n\t"                                                                                     \
          "ssat r11, #16, r11\n\t"                                                                                     \
          "strh r8, [r0]\n\t"                                                                                          \
          "strh r9, [r0, #16]\n\t"                                                                                     \
          "strh r10, [r0, #32]\n\t"                                                                                    \
          "strh r11, [r0, #48]\n\t"                                                                                    \
          "adds r0, #64\n\t"                                                                                           \
          "str r0, [sp, " OUT "]\n\t"

/* 3x3: r1 plane, r2 - r7 weights, lr bytes of a row. Stride 1: (w0, w1) (w1, w2) a row; stride 2: (w0, w1) (w2, 0). */
#define FIRST_1                                                                                                        \
    "ldrd r0, r12, [r1]\n\t"                                                                                           \
    "smlad r8, r0, r2, r11\n\t"                                                                                        \
    "smlatb r9, r0, r2, r11\n\t"                                                                                       \
    "ldr r0, [r1, #8]\n\t"                                                                                             \
    "smlad r10, r12, r2, r11\n\t"                                                                                      \
    "smlatb r11, r12, r2, r11\n\t" REST_1("r3")
#define REST_1(c)                                                                                                      \
    "smlabt r8, r12, " c ", r8\n\t"                                                                                    \
    "smlad r9, r12, " c ", r9\n\t"                                                                                     \
    "smlabt r10, r0, " c ", r10\n\t"                                                                                   \
    "smlad r11, r0, " c ", r11\n\t"
#define NEXT_1(a, c)                                                                                                   \
    "ldrd r0, r12, [r1]\n\t"                                                                                           \
    "smlad r8, r0, " a ", r8\n\t"                                                                                      \
    "smlatb r9, r0, " a ", r9\n\t"                                                                                     \
    "ldr r0, [r1, #8]\n\t"                                                                                             \
    "smlad r10, r12, " a ", r10\n\t"                                                                                   \
    "smlatb r11, r12, " a ", r11\n\t" REST_1(c)
#define SUMS_1                                                                                                         \
    FIRST_1 "add r1, lr\n\t" NEXT_1("r4", "r5") "add r1, lr\n\t" NEXT_1("r6", "r7") "sub r1, r1, lr, lsl #1\n\t"      \
                                                                                 "adds r1, #8\n\t"
#define ROW_2(a, c, s0, s1, s2, s3)                                                                                    \
    "ldrd r0, r12, [r1]\n\t"                                                                                           \
    "smlad r8, r0, " a ", " s0 "\n\t"                                                                                  \
    "smlad r9, r12, " a ", " s1 "\n\t"                                                                                 \
    "smlabb r8, r12, " c ", r8\n\t"                                                                                    \
    "ldrd r0, r12, [r1, #8]\n\t"                                                                                       \
    "smlad r10, r0, " a ", " s2 "\n\t"                                                                                 \
    "smlad r11, r12, " a ", " s3 "\n\t"                                                                                \
    "smlabb r9, r0, " c ", r9\n\t"                                                                                     \
    "ldr r0, [r1, #16]\n\t"                                                                                            \
    "smlabb r10, r12, " c ", r10\n\t"                                                                                  \
    "smlabb r11, r0, " c ", r11\n\t"
#define MORE_2(a, c) "add r1, lr\n\t" ROW_2(a, c, "r8", "r9", "r10", "r11")
#define SUMS_2                                                                                                         \
    ROW_2("r2", "r3", "r11", "r11", "r11", "r11")                                                                      \
    MORE_2("r4", "r5") MORE_2("r6", "r7") "sub r1, r1, lr, lsl #1\n\tadds r1, #16\n\t"

#define THREE(name, sums, output)                                                                                      \
    static NAKED uint32_t name(const tt_square *channel UNUSED)                                                        \
    {                                                                                                                  \
        __asm volatile(BEGIN "ldrd r1, r12, [sp, " PLANE "]\n\t"                                                       \
                             "ldr lr, [sp, " ROW "]\n\t"                                                               \
                             "ldm r12, {r2-r7}\n"                                                                      \
                             "1:\n\t"                                                                                  \
                             "ldr r0, [sp, " WIDTH "]\n\t"                                                             \
                             "add r0, r1\n\t"                                                                          \
                             "str r0, [sp, " X_END "]\n"                                                               \
                             "2:\n\t"                                                                                  \
                             "ldr r11, [sp]\n\t" sums output "ldr r0, [sp, " X_END "]\n\t"                             \
                             "cmp r1, r0\n\t"                                                                          \
                             "bne 2b\n\t"                                                                              \
                             "ldr r0, [sp, " SKIP "]\n\t"                                                              \
                             "add r1, r0\n\t"                                                                          \
                             "ldr r0, [sp, " LAST "]\n\t"                                                              \
                             "cmp r1, r0\n\t"                                                                          \
                             "bne 1b\n\t" RETURN);                                                                     \
    }
THREE(three_1, SUMS_1, INT8)
THREE(three_1_wide, SUMS_1, INT16)
THREE(three_2, SUMS_2, INT8)
THREE(three_2_wide, SUMS_2, INT16)

/* Wider kernels: r0 weights, r1 plane. Rows of the kernel outside of the picture are jumped over. */
#define ADVANCE "ldr r2, [sp, " ROW "]\n\tadd r1, r2\n\t"
#define FIVE_1 /* (w0, w1) (w2, w3) (w1, w2) (w3, w4) */                                                               \
    "ldm r1, {r2-r5}\n\t"                                                                                              \
    "ldm r0!, {r6,r7,r12,lr}\n\t"                                                                                      \
    "smlad r8, r2, r6, r8\n\t"                                                                                         \
    "smlatb r9, r2, r6, r9\n\t"                                                                                        \
    "smlad r10, r3, r6, r10\n\t"                                                                                       \
    "smlatb r11, r3, r6, r11\n\t"                                                                                      \
    "smlad r8, r3, r7, r8\n\t"                                                                                         \
    "smlad r10, r4, r7, r10\n\t"                                                                                       \
    "smlad r9, r3, r12, r9\n\t"                                                                                        \
    "smlad r11, r4, r12, r11\n\t"                                                                                      \
    "smlabt r8, r4, lr, r8\n\t"                                                                                        \
    "smlad r9, r4, lr, r9\n\t"                                                                                         \
    "smlabt r10, r5, lr, r10\n\t"                                                                                      \
    "smlad r11, r5, lr, r11\n\t" ADVANCE
#define FIVE_2 /* (w0, w1) (w2, w3) (w4, 0) */                                                                         \
    "ldm r0!, {r6,r7,r12}\n\t"                                                                                         \
    "ldm r1, {r2-r5}\n\t"                                                                                              \
    "smlad r8, r2, r6, r8\n\t"                                                                                         \
    "smlad r9, r3, r6, r9\n\t"                                                                                         \
    "smlad r10, r4, r6, r10\n\t"                                                                                       \
    "smlad r11, r5, r6, r11\n\t"                                                                                       \
    "smlad r8, r3, r7, r8\n\t"                                                                                         \
    "smlad r9, r4, r7, r9\n\t"                                                                                         \
    "smlad r10, r5, r7, r10\n\t"                                                                                       \
    "ldrd r2, r3, [r1, #16]\n\t"                                                                                       \
    "smlabb r8, r4, r12, r8\n\t"                                                                                       \
    "smlabb r9, r5, r12, r9\n\t"                                                                                       \
    "smlad r11, r2, r7, r11\n\t"                                                                                       \
    "smlabb r10, r2, r12, r10\n\t"                                                                                     \
    "smlabb r11, r3, r12, r11\n\t" ADVANCE
#define SEVEN_1 /* (w0, w1) (w2, w3) (w4, w5), (w1, w2) (w3, w4) (w5, w6) */                                           \
    "ldm r1, {r2-r6}\n\t"                                                                                              \
    "ldm r0!, {r7,r12,lr}\n\t"                                                                                         \
    "smlad r8, r2, r7, r8\n\t"                                                                                         \
    "smlad r10, r3, r7, r10\n\t"                                                                                       \
    "smlatb r9, r2, r7, r9\n\t"                                                                                        \
    "smlatb r11, r3, r7, r11\n\t"                                                                                      \
    "smlad r8, r3, r12, r8\n\t"                                                                                        \
    "smlad r10, r4, r12, r10\n\t"                                                                                      \
    "smlad r8, r4, lr, r8\n\t"                                                                                         \
    "smlad r10, r5, lr, r10\n\t"                                                                                       \
    "ldm r0!, {r7,r12,lr}\n\t"                                                                                         \
    "smlad r9, r3, r7, r9\n\t"                                                                                         \
    "smlad r11, r4, r7, r11\n\t"                                                                                       \
    "smlad r9, r4, r12, r9\n\t"                                                                                        \
    "smlad r11, r5, r12, r11\n\t"                                                                                      \
    "smlad r9, r5, lr, r9\n\t"                                                                                         \
    "smlad r11, r6, lr, r11\n\t"                                                                                       \
    "smlabt r8, r5, lr, r8\n\t"                                                                                        \
    "smlabt r10, r6, lr, r10\n\t" ADVANCE
#define SEVEN_2 /* (w0, w1) (w2, w3) (w4, w5) (w6, 0) */                                                               \
    "ldm r0!, {r6,r7,r12,lr}\n\t"                                                                                      \
    "ldm r1, {r2-r5}\n\t"                                                                                              \
    "smlad r8, r2, r6, r8\n\t"                                                                                         \
    "smlad r9, r3, r6, r9\n\t"                                                                                         \
    "smlad r10, r4, r6, r10\n\t"                                                                                       \
    "smlad r11, r5, r6, r11\n\t"                                                                                       \
    "smlad r8, r3, r7, r8\n\t"                                                                                         \
    "smlad r9, r4, r7, r9\n\t"                                                                                         \
    "smlad r10, r5, r7, r10\n\t"                                                                                       \
    "ldrd r2, r3, [r1, #16]\n\t"                                                                                       \
    "smlad r8, r4, r12, r8\n\t"                                                                                        \
    "smlad r9, r5, r12, r9\n\t"                                                                                        \
    "smlad r11, r2, r7, r11\n\t"                                                                                       \
    "smlad r10, r2, r12, r10\n\t"                                                                                      \
    "smlad r11, r3, r12, r11\n\t"                                                                                      \
    "ldr r4, [r1, #24]\n\t"                                                                                            \
    "smlabb r8, r5, lr, r8\n\t"                                                                                        \
    "smlabb r9, r2, lr, r9\n\t"                                                                                        \
    "smlabb r10, r3, lr, r10\n\t"                                                                                      \
    "smlabb r11, r4, lr, r11\n\t" ADVANCE
#define FOUR_1 /* (w0, w1) (w2, w3) (w1, w2) */                                                                        \
    "ldm r0!, {r6,r7,r12}\n\t"                                                                                         \
    "ldm r1, {r2-r5}\n\t"                                                                                              \
    "smlad r8, r2, r6, r8\n\t"                                                                                         \
    "smlatb r9, r2, r6, r9\n\t"                                                                                        \
    "smlad r10, r3, r6, r10\n\t"                                                                                       \
    "smlatb r11, r3, r6, r11\n\t"                                                                                      \
    "smlad r8, r3, r7, r8\n\t"                                                                                         \
    "smlad r9, r3, r12, r9\n\t"                                                                                        \
    "smlad r10, r4, r7, r10\n\t"                                                                                       \
    "smlad r11, r4, r12, r11\n\t"                                                                                      \
    "smlabt r9, r4, r7, r9\n\t"                                                                                        \
    "smlabt r11, r5, r7, r11\n\t" ADVANCE

#define TIMES4(row) row row row row
#define TIMES5(row) TIMES4(row) row
#define TIMES7(row) TIMES5(row) row row
#define MORE(name, rows, k, step, output)                                                                              \
    NAKED uint32_t name(const tt_square *channel UNUSED)                                                               \
    {                                                                                                                  \
        __asm volatile(BEGIN "1:\n\t"                                                                                  \
                             "ldr r6, [sp, " ROWS "]\n\t"                                                              \
                             "ldm r6!, {r3,r4,r5}\n\t"                                                                 \
                             "str r6, [sp, " ROWS "]\n\t"                                                              \
                             "ldrd r0, r1, [sp, " PLANE "]\n\t"                                                        \
                             "add r0, r3\n\t"                                                                          \
                             "add r1, r4\n\t"                                                                          \
                             "strd r0, r1, [sp, " X "]\n\t"                                                            \
                             "adr.w r7, 80f\n\t"                                                                       \
                             "ldr.w r6, 82f\n\t"                                                                       \
                             "mla r5, r5, r6, r7\n\t"                                                                  \
                             "orr r5, r5, #1\n\t"                                                                      \
                             "str r5, [sp, " ENTRY "]\n\t"                                                             \
                             "ldr r6, [sp, " WIDTH "]\n\t"                                                             \
                             "add r6, r0\n\t"                                                                          \
                             "str r6, [sp, " X_END "]\n"                                                               \
                             "2:\n\t"                                                                                  \
                             "ldrd r1, r0, [sp, " X "]\n\t"                                                            \
                             "ldr r8, [sp]\n\t"                                                                        \
                             "mov r9, r8\n\t"                                                                          \
                             "mov r10, r8\n\t"                                                                         \
                             "mov r11, r8\n\t"                                                                         \
                             "ldr pc, [sp, " ENTRY "]\n\t"                                                             \
                             ".balign 4\n"                                                                             \
                             "80:\n\t" rows "81:\n\t" output "ldr r1, [sp, " X "]\n\t"                                 \
                             "ldr r0, [sp, " X_END "]\n\t"                                                             \
                             "adds r1, #" step "\n\t"                                                                  \
                             "str r1, [sp, " X "]\n\t"                                                                 \
                             "cmp r1, r0\n\t"                                                                          \
                             "bne 2b\n\t"                                                                              \
                             "ldrd r2, r3, [sp, " SKIP "]\n\t"                                                         \
                             "ldr r4, [sp, " OUT "]\n\t"                                                               \
                             "ldr r0, [sp, " ROWS "]\n\t"                                                              \
                             "add r4, r2\n\t"                                                                          \
                             "str r4, [sp, " OUT "]\n\t"                                                               \
                             "cmp r0, r3\n\t"                                                                          \
                             "bne 1b\n\t" RETURN ".balign 4\n"                                                         \
                             "82:\n\t"                                                                                 \
                             ".word (81b - 80b) / " k);                                                                \
    }
static MORE(five_1, TIMES5(FIVE_1), "5", "8", INT8)
static MORE(five_1_wide, TIMES5(FIVE_1), "5", "8", INT16)
static MORE(five_2, TIMES5(FIVE_2), "5", "16", INT8)
static MORE(five_2_wide, TIMES5(FIVE_2), "5", "16", INT16)
static MORE(seven_1, TIMES7(SEVEN_1), "7", "8", INT8)
static MORE(seven_1_wide, TIMES7(SEVEN_1), "7", "8", INT16)
static MORE(seven_2, TIMES7(SEVEN_2), "7", "16", INT8)
static MORE(seven_2_wide, TIMES7(SEVEN_2), "7", "16", INT16)
MORE(tt_square_4, TIMES4(FOUR_1), "4", "8", INT8)

uint32_t tt_square_run(const tt_square *channel, int32_t k, int32_t stride, int32_t wide)
{
    if (k == 3 && stride == 1)
        return wide ? three_1_wide(channel) : three_1(channel);
    if (k == 3)
        return wide ? three_2_wide(channel) : three_2(channel);
    if (k == 5 && stride == 1)
        return wide ? five_1_wide(channel) : five_1(channel);
    if (k == 5)
        return wide ? five_2_wide(channel) : five_2(channel);
    if (stride == 1)
        return wide ? seven_1_wide(channel) : seven_1(channel);
    return wide ? seven_2_wide(channel) : seven_2(channel);
}

/* `k`, `stride` and `flip` are constants. */
TT_INLINE void weights(const int8_t *w, int32_t n, int32_t k, int32_t stride, int32_t flip, uint32_t *to)
{
    const int32_t row = tt_square_words(k, stride), each = row * k, step = flip ? -n : n;
    if (flip)
        w += (k * k - 1) * n;
    for (int32_t ky = 0; ky < k; ky++, to += row) {
        uint32_t e[8], o[8];
#pragma GCC unroll 8
        for (int32_t kx = 0; kx < k; kx++, w += step) {
            uint32_t v = tt_load4(w);
            e[kx] = tt_sxtb16(v);
            o[kx] = tt_sxtb16_odd(v);
        }
        e[k] = o[k] = 0;
#define PUT(at, a, b)                                                                                                  \
    to[at] = tt_lows(e[a], e[b]), to[(at) + each] = tt_lows(o[a], o[b]), to[(at) + 2 * each] = tt_highs(e[a], e[b]),   \
             to[(at) + 3 * each] = tt_highs(o[a], o[b])
        PUT(0, 0, 1);
        if (k == 3) {
            if (stride == 1)
                PUT(1, 1, 2);
            else
                PUT(1, 2, 3);
        } else if (k == 5) {
            PUT(1, 2, 3);
            if (stride == 1) {
                PUT(2, 1, 2);
                PUT(3, 3, 4);
            } else {
                PUT(2, 4, 5);
            }
        } else {
            PUT(1, 2, 3);
            PUT(2, 4, 5);
            if (stride == 1) {
                PUT(3, 1, 2);
                PUT(4, 3, 4);
                PUT(5, 5, 6);
            } else {
                PUT(3, 6, 7);
            }
        }
    }
}

void tt_square_weights(const int8_t *w, int32_t n, int32_t k, int32_t stride, int32_t flip, uint32_t *to)
{
    if (k == 3 && stride == 1)
        weights(w, n, 3, 1, flip, to);
    else if (k == 3)
        weights(w, n, 3, 2, flip, to);
    else if (k == 5 && stride == 1)
        weights(w, n, 5, 1, flip, to);
    else if (k == 5)
        weights(w, n, 5, 2, flip, to);
    else if (stride == 1)
        weights(w, n, 7, 1, flip, to);
    else
        weights(w, n, 7, 2, flip, to);
}

void tt_square_widen(const int8_t *x, int32_t rows, int32_t width, int32_t columns, int32_t n, uint32_t add, int32_t pad,
                     uint32_t *to, int32_t words, int32_t apart)
{
    const int32_t rest = (width - columns) * n;
    for (; rows > 0; rows--, to += words, x += rest) {
        uint32_t *t0 = to + (pad >> 1), *t1 = t0 + apart, *t2 = t1 + apart, *t3 = t2 + apart;
        int32_t left = columns;
        if (pad & 1) {
            uint32_t v = tt_load4(x), e = tt_sxtab16(add, v), o = tt_sxtab16_odd(add, v);
            *t0++ = e << 16;
            *t1++ = o << 16;
            *t2++ = e & 0xffff0000u;
            *t3++ = o & 0xffff0000u;
            x += n;
            left--;
        }
        for (; left >= 2; left -= 2) {
            uint32_t a = tt_load4(x), b = tt_load4(x + n);
            x += 2 * n;
            uint32_t e0 = tt_sxtab16(add, a), e1 = tt_sxtab16(add, b);
            *t0++ = tt_lows(e0, e1);
            *t2++ = tt_highs(e0, e1);
            uint32_t o0 = tt_sxtab16_odd(add, a), o1 = tt_sxtab16_odd(add, b);
            *t1++ = tt_lows(o0, o1);
            *t3++ = tt_highs(o0, o1);
        }
        if (left) {
            uint32_t v = tt_load4(x), e = tt_sxtab16(add, v), o = tt_sxtab16_odd(add, v);
            *t0 = e & 0xffffu;
            *t1 = o & 0xffffu;
            *t2 = e >> 16;
            *t3 = o >> 16;
            x += n;
        }
    }
}

#endif
