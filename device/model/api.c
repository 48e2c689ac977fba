/* The interface of model.h: checks, samples, counters, saving and restoring. It is the same for every program. */
#include <string.h>

#include "steps.h"
#include "tt_crc.h"

#define MAGIC 0x53545454u /* "TTTS" */
#define FORMAT 2u

/* The header of a saved state. */
typedef struct {
    uint32_t magic, format, bytes, steps;
    uint64_t saturated;
    uint8_t program[32];
    tt_schedule schedule;
} header;

_Static_assert(sizeof(header) == 80, "the header of a saved state has no gaps");
_Static_assert(sizeof(tt_state) % 4 == 0, "the state is whole words");
_Static_assert(TT_SAVED_BYTES == sizeof(header) + TT_STATE_BYTES + 4, "size of a saved state");

/* Whether a saved state fits into the arena, where it can be checked before it replaces the current one. */
#define STAGED (TT_SAVED_BYTES <= TT_ARENA_BYTES)

/* Two sums over words: that of all, which any single changed bit changes, and that of all partial sums, which knows their order. */
static void sum(uint32_t sums[2], const void *words, size_t count)
{
    typedef uint32_t __attribute__((may_alias)) word;
    const word *p = words;
    uint32_t a = sums[0], b = sums[1];
    for (; count >= 4; count -= 4, p += 4) {
        b += a += p[0];
        b += a += p[1];
        b += a += p[2];
        b += a += p[3];
    }
    while (count--)
        b += a += *p++;
    sums[0] = a;
    sums[1] = b;
}

/* The seal of the state as it is. It begins with a number, so that memory full of zeros is not sealed. */
TT_PART static void sums_of(const tt_context *tt, uint32_t sums[2])
{
    sums[0] = MAGIC;
    sums[1] = 0;
    sum(sums, &tt->state, sizeof tt->state / 4);
    sum(sums, &tt->counters.steps, 1);
    sum(sums, &tt->counters.saturated, sizeof tt->counters.saturated / 4);
    sum(sums, &tt->counters.schedule, sizeof tt->counters.schedule / 4);
}

static void seal(tt_context *tt)
{
    sums_of(tt, tt->counters.seal);
}

tt_status tt_check(const tt_context *tt)
{
    if (!tt)
        return TT_E_ARGUMENT;
    uint32_t sums[2];
    sums_of(tt, sums);
    return memcmp(sums, tt->counters.seal, sizeof sums) ? TT_E_STATE : TT_OK;
}

TT_PART static uint32_t crc_of(const tt_span *spans)
{
    uint32_t crc = 0;
    for (; spans->count; spans++)
        crc = tt_crc32(crc, spans->bytes, spans->count);
    return crc;
}

tt_status tt_check_constants(void)
{
    return crc_of(tt_constants) == tt_constants_crc && crc_of(tt_initial) == tt_initial_crc ? TT_OK : TT_E_CONSTANTS;
}

tt_status tt_init(tt_context *tt)
{
    if (!tt)
        return TT_E_ARGUMENT;
    tt_initial_state(&tt->state);
    tt->counters.steps = 0;
    tt->counters.turn = 0;
    tt->counters.saturated = 0;
    memset(&tt->counters.schedule, 0, sizeof tt->counters.schedule);
    seal(tt);
    return TT_OK;
}

#ifndef TT_FED
int8_t *tt_input(tt_context *tt)
{
    return tt->arena + TT_INPUT_OFFSET;
}
#endif

uint32_t tt_score(const tt_context *tt, uint32_t index)
{
    int64_t v = 0;
    if (index < TT_CLASSES)
        memcpy(&v, tt->arena + TT_SCORES_OFFSET + (size_t)index * sizeof v, sizeof v);
    return (uint32_t)v;
}

/* The int8 value of value `i` of a sample. */
static int8_t quantise(uint8_t pixel, size_t i)
{
#if TT_PIXEL_TABLES
    return tt_pixel_table[i % TT_PIXEL_TABLES][pixel];
#else
    (void)i;
    return (int8_t)(pixel - 128);
#endif
}

/* Turns `count` values of whole pixels into int8. They may lie at the beginning of their place: where they are fewer bytes than values, the last one is
 * taken first. */
static tt_status convert(int8_t *to, const void *values, size_t count, tt_format format)
{
    const uint8_t *from = values;
    switch (format) {
    case TT_INT8:
        if (values != (const void *)to)
            memcpy(to, values, count);
        return TT_OK;
    case TT_RGB888:
        for (size_t i = 0; i < count; i++)
            to[i] = quantise(from[i], i);
        return TT_OK;
    case TT_GREY:
        for (size_t pixel = count / TT_INPUT_CHANNELS; pixel-- > 0;) {
            uint8_t grey = from[pixel];
            for (size_t i = pixel * TT_INPUT_CHANNELS; i < (pixel + 1) * TT_INPUT_CHANNELS; i++)
                to[i] = quantise(grey, i);
        }
        return TT_OK;
#if TT_INPUT_CHANNELS == 3
    case TT_RGB565:
        for (size_t pixel = count / 3; pixel-- > 0;) {
            uint32_t rgb = (uint32_t)from[2 * pixel] << 8 | from[2 * pixel + 1];
            /* 31 or 63 becomes 255; rounded to the nearest. */
            const uint32_t of_8_bits[3] = {((rgb >> 11) * 510 + 31) / 62, ((rgb >> 5 & 63) * 510 + 63) / 126, ((rgb & 31) * 510 + 31) / 62};
            for (size_t c = 0; c < 3; c++)
                to[3 * pixel + c] = quantise((uint8_t)of_8_bits[c], 3 * pixel + c);
        }
        return TT_OK;
#endif
    default:
        return TT_E_FORMAT;
    }
}

#ifdef TT_FED

int8_t *tt_row(tt_context *tt)
{
    return tt ? tt_next_row(tt) : NULL;
}

tt_status tt_row_written(tt_context *tt, tt_format format)
{
    if (!tt)
        return TT_E_ARGUMENT;
    int8_t *row = tt_next_row(tt);
    return row ? tt_feed(tt, row, format) : TT_E_ROWS;
}

TT_PART tt_status tt_feed(tt_context *tt, const void *row, tt_format format)
{
    if (!tt || !row)
        return TT_E_ARGUMENT;
    int8_t *to = tt_next_row(tt);
    if (!to)
        return TT_E_ROWS;
    tt_status status = convert(to, row, TT_ROW_BYTES, format);
    if (status != TT_OK)
        return status;
    tt->counters.turn += tt_row_turn;
    tt_next_row(tt);
    return TT_OK;
}

void tt_restart(tt_context *tt)
{
    if (tt)
        tt->counters.turn = 0;
}

/* Feeds a sample that lies somewhere as a whole. Without one, all rows must have come in. */
TT_PART static tt_status take(tt_context *tt, const void *sample, tt_format format)
{
    const uint8_t *row = sample;
    if (row) {
        tt_restart(tt);
        for (uint32_t y = 0; y < TT_INPUT_HEIGHT; y++, row += tt_raw_bytes(TT_ROW_BYTES, format)) {
            tt_status status = tt_feed(tt, row, format);
            if (status != TT_OK)
                return status;
        }
    }
    if (tt_next_row(tt))
        return TT_E_ROWS;
    tt_restart(tt);
    return TT_OK;
}

#else

/* Copies the sample to its place. It may already be there. */
TT_PART static tt_status take(tt_context *tt, const void *sample, tt_format format)
{
    return sample ? convert(tt_input(tt), sample, TT_INPUT_BYTES, format) : TT_E_ARGUMENT;
}

#endif

tt_status tt_predict(tt_context *tt, const void *sample, tt_format format, uint32_t *predicted)
{
    if (!tt || !predicted)
        return TT_E_ARGUMENT;
    tt_status status = take(tt, sample, format);
    if (status != TT_OK)
        return status;
    tt_head_result result;
#if TT_REPLAY_PLACES
    tt_prefix(tt, 0);
#endif
    tt_forward(tt, 0);
    tt_scores(tt, &result);
    *predicted = result.predicted;
    return TT_OK;
}

/* A mantissa in [2^30, 2^31) and an exponent small enough that no shift in an update overflows; or zero. */
static int is_rate(tt_real31 rate)
{
    if (rate.m == 0)
        return 1;
    return rate.m >> 30 == 1 && rate.e >= -TT_RATE_EXPONENT && rate.e <= TT_RATE_EXPONENT;
}

/* Whether a training step may begin. */
static tt_status ready(const tt_context *tt, const tt_rates *rates)
{
    if (rates && (!is_rate(rates->head) || !is_rate(rates->backbone)))
        return TT_E_RATE;
    const tt_schedule *schedule = &tt->counters.schedule;
    if (!rates && schedule->done >= schedule->steps)
        return TT_E_SCHEDULE;
    return tt_check(tt);
}

/* The training step on the sample in the arena, from tt_forward on. */
static void learn(tt_context *tt, uint32_t label, const tt_rates *rates, tt_step_result *out)
{
    tt_schedule *schedule = &tt->counters.schedule;
    const tt_rates due = rates ? *rates : tt_scheduled_rates(schedule);
    tt_head_result result;
    tt_forward(tt, 1);
    tt_error(tt, label, &result);
    out->predicted = result.predicted;
    out->loss = result.loss;
    out->saturated = result.any ? tt_backward(tt, &due, result.k) : 0;
    schedule->done += !rates;
#if TT_REPLAY_PLACES
    tt_replay_trained(tt, label);
#endif
    tt->counters.steps++;
    tt->counters.saturated += out->saturated;
    seal(tt);
}

tt_status tt_train_step(tt_context *tt, const void *sample, tt_format format, uint32_t label, const tt_rates *rates,
                        tt_step_result *out)
{
    if (!tt || !out)
        return TT_E_ARGUMENT;
    if (label >= TT_CLASSES)
        return TT_E_LABEL;
    tt_status status = ready(tt, rates);
    if (status == TT_OK)
        status = take(tt, sample, format);
    if (status != TT_OK)
        return status;
#if TT_REPLAY_PLACES
    tt_prefix(tt, 1);
    tt_replay_keep(tt, label);
#endif
    learn(tt, label, rates, out);
    return TT_OK;
}

#if TT_REPLAY_PLACES
tt_status tt_replay_step(tt_context *tt, const tt_rates *rates, uint32_t *label, tt_step_result *out)
{
    if (!tt || !label || !out)
        return TT_E_ARGUMENT;
    tt_status status = ready(tt, rates);
    if (status != TT_OK)
        return status;
#ifdef TT_FED
    tt_restart(tt);
#endif
    if (!tt_replay_recall(tt, label))
        return TT_E_EMPTY;
    learn(tt, *label, rates, out);
    return TT_OK;
}
#endif

tt_status tt_begin_schedule(tt_context *tt, double head, double backbone, uint32_t steps)
{
    if (!tt)
        return TT_E_ARGUMENT;
    if (!tt_is_peak(head) || !tt_is_peak(backbone))
        return TT_E_RATE;
    if (tt_check(tt) != TT_OK)
        return TT_E_STATE;
    const tt_schedule schedule = {head, backbone, steps, 0};
    tt->counters.schedule = schedule;
    seal(tt);
    return TT_OK;
}

tt_real31 tt_rate_from_millionths(uint32_t millionths)
{
    tt_real31 r = {0, 0};
    if (millionths == 0)
        return r;
    /* millionths / 10^6 = m 2^(e - 31): the quotient is computed with enough bits and then normalised. */
    uint64_t v = ((uint64_t)millionths << 31) / 1000000u;
    r.e = 0;
    if (v < (uint64_t)1 << 30) {
        int32_t up = 0;
        while (((uint64_t)millionths << (31 + up)) / 1000000u < (uint64_t)1 << 30)
            up++;
        v = (((uint64_t)millionths << (31 + up)) + 500000u) / 1000000u;
        r.e = -up;
    }
    while (v >= (uint64_t)1 << 31) {
        v = (v + 1) >> 1;
        r.e++;
    }
    r.m = (uint32_t)v;
    return r;
}

uint32_t tt_checksum(const tt_context *tt)
{
    return tt_crc32(0, &tt->state, sizeof tt->state);
}

TT_PART static void describe(const tt_context *tt, header *h)
{
    h->magic = MAGIC;
    h->format = FORMAT;
    h->bytes = TT_STATE_BYTES;
    h->steps = tt->counters.steps;
    h->saturated = tt->counters.saturated;
    h->schedule = tt->counters.schedule;
    memcpy(h->program, tt_program_hash, sizeof h->program);
}

tt_status tt_save(const tt_context *tt, tt_write write, void *user)
{
    if (!tt || !write)
        return TT_E_ARGUMENT;
    if (tt_check(tt) != TT_OK)
        return TT_E_STATE;
    header h;
    describe(tt, &h);
    uint32_t crc = tt_crc32(tt_crc32(0, &h, sizeof h), &tt->state, sizeof tt->state);
    if (write(user, &h, sizeof h) || write(user, &tt->state, sizeof tt->state) || write(user, &crc, sizeof crc))
        return TT_E_IO;
    return TT_OK;
}

TT_PART static tt_status check(const header *h)
{
    if (h->magic != MAGIC || h->format != FORMAT || h->bytes != TT_STATE_BYTES)
        return TT_E_DATA;
    return memcmp(h->program, tt_program_hash, sizeof h->program) ? TT_E_PROGRAM : TT_OK;
}

static void take_counters(tt_context *tt, const header *h)
{
    tt->counters.steps = h->steps;
    tt->counters.saturated = h->saturated;
    tt->counters.schedule = h->schedule;
    seal(tt);
}

#if STAGED

tt_status tt_load(tt_context *tt, tt_read read, void *user)
{
    header h;
    uint32_t crc;
    if (!tt || !read)
        return TT_E_ARGUMENT;
    tt->counters.turn = 0;
    if (read(user, tt->arena, TT_SAVED_BYTES))
        return TT_E_IO;
    memcpy(&h, tt->arena, sizeof h);
    memcpy(&crc, tt->arena + TT_SAVED_BYTES - sizeof crc, sizeof crc);
    if (crc != tt_crc32(0, tt->arena, TT_SAVED_BYTES - sizeof crc))
        return TT_E_DATA;
    tt_status status = check(&h);
    if (status != TT_OK)
        return status;
    memcpy(&tt->state, tt->arena + sizeof h, sizeof tt->state);
    take_counters(tt, &h);
    return TT_OK;
}

#else

tt_status tt_load(tt_context *tt, tt_read read, void *user)
{
    header h;
    uint32_t crc;
    if (!tt || !read)
        return TT_E_ARGUMENT;
    if (read(user, &h, sizeof h))
        return TT_E_IO;
    tt_status status = check(&h);
    if (status != TT_OK)
        return status;
    /* There is no memory in which to check it first: an error from here on destroys the old state. */
    if (read(user, &tt->state, sizeof tt->state) || read(user, &crc, sizeof crc) ||
        crc != tt_crc32(tt_crc32(0, &h, sizeof h), &tt->state, sizeof tt->state)) {
        tt_init(tt);
        return TT_E_LOST;
    }
    take_counters(tt, &h);
    return TT_OK;
}

#endif
