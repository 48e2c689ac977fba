/* Framing, then one function per request. A payload is received where it is needed: the sample in the arena, and a state in the arena to be checked.
 * There is no buffer for frames. */
#include "tt_protocol.h"

#include <string.h>

#include "port.h"
#include "steps.h"
#include "tt_crc.h"

#define HEADER 16u
#define CRC 4u
#define STEP_HEAD 8u   /* of a step by the schedule: format, label */
#define TRAIN_HEAD 24u /* of one with its own rates: likewise, and mantissa and exponent of the head's rate and of the backbone's */
#ifdef TT_FED
#define ROW_HEAD 8u     /* of a row: format, whether it is the first */
#define SENT_BYTES TT_ROW_BYTES /* of what is sent of a sample at a time */
#define SAMPLE_BYTES 0u /* of a request: a sample's rows have requests of their own */
#define SAMPLE(tt) ((void)(tt), (int8_t *)NULL)
#define ROWS_CLOCK(line) (line)->inference_clock /* of the rows that came before */
#define LONGEST_SAMPLE (TT_ROW_BYTES + ROW_HEAD > TRAIN_HEAD ? TT_ROW_BYTES + ROW_HEAD : TRAIN_HEAD)
#else
#define SENT_BYTES TT_INPUT_BYTES
#define SAMPLE_BYTES TT_INPUT_BYTES
#define SAMPLE(tt) tt_input(tt)
#define ROWS_CLOCK(line) 0u
#define LONGEST_SAMPLE (TT_INPUT_BYTES + TRAIN_HEAD)
#endif
#define LONGEST (TT_SAVED_BYTES > LONGEST_SAMPLE ? TT_SAVED_BYTES : LONGEST_SAMPLE)

/* For tools, and not in any memory of the board: see the table at the end of model.c. */
#if defined(__arm__)
extern const uint32_t tt_linked_protocol;
__attribute__((section(".tinytrain"), used)) const uint32_t tt_linked_protocol = sizeof(tt_protocol);
#endif

static const uint8_t magic[4] = {'T', 'T', 0xa5, 0x5a};

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

void tt_protocol_init(tt_protocol *line)
{
    memset(line, 0, sizeof *line);
}

/* Sending. ---------------------------------------------------------------------------------------------------------------------------- */

static void begin(tt_protocol *line, uint32_t type, uint32_t length)
{
    uint8_t h[HEADER];
    memcpy(h, magic, sizeof magic);
    h[4] = TT_PROTOCOL_VERSION;
    h[5] = (uint8_t)type;
    h[6] = (uint8_t)line->sequence;
    h[7] = (uint8_t)(line->sequence >> 8);
    memcpy(h + 8, &length, sizeof length);
    uint32_t crc = tt_crc32(0, h, 12);
    memcpy(h + 12, &crc, sizeof crc);
    tt_port_write(h, sizeof h);
    line->crc = 0;
}

static void send(tt_protocol *line, const void *bytes, uint32_t count)
{
    line->crc = tt_crc32(line->crc, bytes, count);
    tt_port_write(bytes, count);
}

static void end(tt_protocol *line)
{
    uint32_t crc = line->crc;
    tt_port_write((const uint8_t *)&crc, sizeof crc);
}

static void reply(tt_protocol *line, const void *bytes, uint32_t count)
{
    begin(line, TT_REPLY | line->type, count);
    send(line, bytes, count);
    end(line);
}

static void refuse(tt_protocol *line, uint32_t status, uint32_t detail)
{
    const uint32_t words[3] = {status, line->type, detail};
    line->refused++;
    begin(line, TT_ERROR, sizeof words);
    send(line, words, sizeof words);
    end(line);
}

/* Receiving. -------------------------------------------------------------------------------------------------------------------------- */

/* Waits for `count` bytes; returns the number of missing ones. */
static uint32_t receive(uint8_t *to, uint32_t count)
{
    uint32_t idle = 0;
    while (count) {
        uint32_t n = tt_port_read(to, count);
        if (n) {
            to += n;
            count -= n;
            idle = 0;
        } else if (++idle > TT_IDLE_POLLS) {
            break;
        }
    }
    return count;
}

/* Receives a part of the payload; returns whether it was complete. An incomplete frame is rejected here. */
static int take(tt_protocol *line, void *to, uint32_t count)
{
    uint32_t missing = receive(to, count);
    line->left -= count - missing;
    if (missing) {
        refuse(line, TT_E_TIMEOUT, line->left + CRC);
        line->left = 0;
    }
    return !missing;
}

/* Receives the CRC-32 at the end of a frame and compares it with that of the payload's two parts. The port may buffer only a single byte, so nothing
 * is computed before the last one has arrived. */
static int intact(tt_protocol *line, const void *a, uint32_t a_count, const void *b, uint32_t b_count)
{
    uint8_t bytes[CRC];
    uint32_t missing = receive(bytes, CRC);
    if (missing) {
        refuse(line, TT_E_TIMEOUT, missing);
        return 0;
    }
    if (tt_crc32(tt_crc32(0, a, a_count), b, b_count) != get32(bytes)) {
        refuse(line, TT_E_CHECKSUM, 0);
        return 0;
    }
    return 1;
}

/* Skips the rest of a frame, then rejects it. */
static void skip(tt_protocol *line, uint32_t status, uint32_t detail)
{
    uint8_t bytes[CRC];
    uint32_t left = line->left + CRC;
    line->left = 0;
    while (left) {
        uint32_t n = left < CRC ? left : CRC;
        if (receive(bytes, n))
            break;
        left -= n;
    }
    refuse(line, status, detail);
}

/* Whether the payload has the length that the request needs; otherwise rejects the frame. */
static int has_length(tt_protocol *line, uint32_t length)
{
    if (line->left == length)
        return 1;
    skip(line, TT_E_LENGTH, length);
    return 0;
}

/* The same for a request without a payload. */
static int is_empty(tt_protocol *line)
{
    return has_length(line, 0) && intact(line, line->header, 0, line->header, 0);
}

/* Requests. --------------------------------------------------------------------------------------------------------------------------- */

static void identify(tt_protocol *line)
{
    struct {
        uint8_t program[32];
        uint32_t height, width, channels, classes, input_bytes, state_bytes, saved_bytes, arena_bytes, stack_bytes, clock_hz, longest;
        char board[20];
    } r;
    if (!is_empty(line))
        return;
    memset(&r, 0, sizeof r);
    memcpy(r.program, tt_program_hash, sizeof r.program);
    r.height = TT_INPUT_HEIGHT;
    r.width = TT_INPUT_WIDTH;
    r.channels = TT_INPUT_CHANNELS;
    r.classes = TT_CLASSES;
    r.input_bytes = SENT_BYTES;
    r.state_bytes = TT_STATE_BYTES;
    r.saved_bytes = TT_SAVED_BYTES;
    r.arena_bytes = TT_ARENA_BYTES;
    r.stack_bytes = tt_port_stack_reserved();
    r.clock_hz = tt_port_clock_hz();
    r.longest = LONGEST;
    const char *name = tt_port_name();
    for (uint32_t i = 0; i + 1 < sizeof r.board && name[i]; i++)
        r.board[i] = name[i];
    reply(line, &r, sizeof r);
}

static void predict(tt_protocol *line, tt_context *tt)
{
    uint8_t format[4];
    if (!has_length(line, sizeof format + SAMPLE_BYTES) || !take(line, format, sizeof format) ||
        !take(line, SAMPLE(tt), SAMPLE_BYTES) || !intact(line, format, sizeof format, SAMPLE(tt), SAMPLE_BYTES))
        return;
    uint32_t predicted, from = tt_port_clock();
    tt_status status = tt_predict(tt, SAMPLE(tt), (tt_format)get32(format), &predicted);
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    line->inference_clock = ROWS_CLOCK(line) + tt_port_clock() - from;
    begin(line, TT_REPLY | TT_PREDICT, 4 + 4 * TT_CLASSES);
    send(line, &predicted, sizeof predicted);
    for (uint32_t i = 0; i < TT_CLASSES; i++) {
        uint32_t score = tt_score(tt, i);
        send(line, &score, sizeof score);
    }
    end(line);
}

/* What a call has returned. A state that something else has changed is put back at once, so that the next request finds a good one. */
static tt_status settle(tt_protocol *line, tt_context *tt, tt_status status)
{
    if (status == TT_E_STATE) {
        tt_protocol_restore(tt);
        line->restored++;
    }
    return status;
}

static tt_rates rates_of(const uint8_t *p)
{
    const tt_rates rates = {{get32(p), (int32_t)get32(p + 4)}, {get32(p + 8), (int32_t)get32(p + 12)}};
    return rates;
}

/* A training step: with its own rates, or with those of the schedule. */
static void train(tt_protocol *line, tt_context *tt)
{
    uint8_t h[TRAIN_HEAD];
    const uint32_t scheduled = line->type == TT_STEP, head = scheduled ? STEP_HEAD : TRAIN_HEAD;
    if (!has_length(line, head + SAMPLE_BYTES) || !take(line, h, head) || !take(line, SAMPLE(tt), SAMPLE_BYTES) ||
        !intact(line, h, head, SAMPLE(tt), SAMPLE_BYTES))
        return;
    tt_step_result found;
    tt_rates rates;
    if (!scheduled)
        rates = rates_of(h + 8);
    uint32_t from = tt_port_clock();
    tt_status status = settle(line, tt, tt_train_step(tt, SAMPLE(tt), (tt_format)get32(h), get32(h + 4), scheduled ? NULL : &rates, &found));
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    line->train_clock = ROWS_CLOCK(line) + tt_port_clock() - from;
    const uint32_t words[5] = {(uint32_t)found.loss, found.predicted, found.saturated, tt->counters.steps, tt_checksum(tt)};
    reply(line, words, sizeof words);
}

#if TT_REPLAY_PLACES
/* A training step on a sample that was kept: with its own rates or, without, with those of the schedule. */
static void replay(tt_protocol *line, tt_context *tt)
{
    uint8_t h[TRAIN_HEAD - STEP_HEAD];
    const uint32_t head = line->left ? sizeof h : 0;
    if (!has_length(line, head) || !take(line, h, head) || !intact(line, h, head, h, 0))
        return;
    tt_step_result found;
    tt_rates rates;
    if (head)
        rates = rates_of(h);
    uint32_t label;
    tt_status status = settle(line, tt, tt_replay_step(tt, head ? &rates : NULL, &label, &found));
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    const uint32_t words[6] = {(uint32_t)found.loss, found.predicted, found.saturated, tt->counters.steps, tt_checksum(tt), label};
    reply(line, words, sizeof words);
}
#endif

/* Begins a schedule: peaks of the head and of the backbone as doubles, number of steps. */
static void schedule(tt_protocol *line, tt_context *tt)
{
    uint8_t h[20];
    double peaks[2];
    if (!has_length(line, sizeof h) || !take(line, h, sizeof h) || !intact(line, h, sizeof h, h, 0))
        return;
    memcpy(peaks, h, sizeof peaks);
    tt_status status = settle(line, tt, tt_begin_schedule(tt, peaks[0], peaks[1], get32(h + 16)));
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    reply(line, &tt->counters.schedule.steps, sizeof tt->counters.schedule.steps);
}

#ifdef TT_FED
/* Takes a row of a sample; replies whether more are to come. */
static void row(tt_protocol *line, tt_context *tt)
{
    uint8_t h[ROW_HEAD];
    if (line->left < sizeof h) {
        skip(line, TT_E_LENGTH, sizeof h + TT_ROW_BYTES);
        return;
    }
    if (!take(line, h, sizeof h))
        return;
    const tt_format format = (tt_format)get32(h);
    const uint32_t count = tt_raw_bytes(TT_ROW_BYTES, format);
    if (!has_length(line, count))
        return;
    if (get32(h + 4)) {
        tt_restart(tt);
        line->inference_clock = 0;
    }
    int8_t *to = tt_row(tt);
    if (!to) {
        skip(line, TT_E_ROWS, 0);
        return;
    }
    if (!take(line, to, count) || !intact(line, h, sizeof h, to, count))
        return;
    uint32_t from = tt_port_clock();
    tt_status status = tt_row_written(tt, format);
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    line->inference_clock += tt_port_clock() - from;
    uint32_t more = tt_row(tt) != NULL;
    reply(line, &more, sizeof more);
}
#endif

static int32_t write_part(void *user, const void *bytes, uint32_t count)
{
    send(user, bytes, count);
    return 0;
}

static void save(tt_protocol *line, tt_context *tt)
{
    if (!is_empty(line))
        return;
    if (settle(line, tt, tt_check(tt)) != TT_OK) {
        refuse(line, TT_E_STATE, 0);
        return;
    }
    begin(line, TT_REPLY | TT_SAVE, TT_SAVED_BYTES);
    tt_save(tt, write_part, line);
    end(line);
}

/* Passes on the payload. If it comes in one part, its frame is checked here; if in several, by the CRC-32 at the end of a saved state. */
static int32_t read_part(void *user, void *bytes, uint32_t count)
{
    tt_protocol *line = user;
    if (!take(line, bytes, count))
        return -1;
    if (line->left)
        return 0;
    if (count == TT_SAVED_BYTES)
        return intact(line, bytes, count, bytes, 0) ? 0 : -1;
    uint8_t crc[CRC];
    return receive(crc, CRC) ? -1 : 0;
}

static void load(tt_protocol *line, tt_context *tt)
{
    if (!has_length(line, TT_SAVED_BYTES))
        return;
    uint32_t refused = line->refused;
    tt_status status = tt_load(tt, read_part, line);
    if (status == TT_OK) {
        uint32_t sum = tt_checksum(tt);
        reply(line, &sum, sizeof sum);
    } else if (line->refused == refused) {
        if (line->left)
            skip(line, status, 0);
        else
            refuse(line, status, 0);
    }
}

static void counters(tt_protocol *line, tt_context *tt)
{
    if (!is_empty(line))
        return;
    const uint32_t words[10] = {
        tt->counters.steps,    (uint32_t)tt->counters.saturated, (uint32_t)(tt->counters.saturated >> 32),
        line->inference_clock, line->train_clock,                tt_port_stack_painted(),
        line->refused,         tt_checksum(tt),                  tt->counters.schedule.steps,
        tt->counters.schedule.done,
    };
    reply(line, words, sizeof words);
}

static void reset(tt_protocol *line, tt_context *tt)
{
    if (!is_empty(line))
        return;
    tt_init(tt);
    uint32_t sum = tt_checksum(tt);
    reply(line, &sum, sizeof sum);
}

#ifdef TT_STORE
static void keep(tt_protocol *line, tt_context *tt)
{
    if (!is_empty(line))
        return;
    tt_status status = settle(line, tt, tt_check(tt));
    if (status == TT_OK)
        status = tt_protocol_keep(tt);
    if (status != TT_OK) {
        refuse(line, status, 0);
        return;
    }
    const uint32_t words[2] = {tt->counters.steps, tt_checksum(tt)};
    reply(line, words, sizeof words);
}
#endif

/* Frames. ----------------------------------------------------------------------------------------------------------------------------- */

/* Reports once that bytes were skipped, and resets their count. */
static void report_dropped(tt_protocol *line)
{
    uint32_t dropped = line->dropped;
    line->dropped = 0;
    if (dropped && !line->quiet) {
        line->sequence = 0;
        line->type = 0;
        refuse(line, TT_E_GARBAGE, dropped);
    }
    line->quiet = 0;
}

/* Fills the header; returns whether it is valid. Bytes that cannot begin a frame are skipped. */
static int find_header(tt_protocol *line)
{
    uint8_t *h = line->header;
    uint32_t n = tt_port_read(h + line->have, HEADER - line->have);
    if (n == 0 && line->have == 0 && line->dropped == 0)
        return 0;
    if (n == 0) {
        /* A frame has begun: wait for the rest. */
        uint32_t wanted = line->have ? HEADER - line->have : 1;
        n = wanted - receive(h + line->have, wanted);
        if (n < wanted) {
            line->dropped += line->have + n;
            line->have = 0;
            report_dropped(line);
            return 0;
        }
    }
    line->have += n;
    while (line->have) {
        uint32_t same = line->have < sizeof magic ? line->have : sizeof magic;
        if (!memcmp(h, magic, same)) {
            if (line->have < HEADER)
                return 0;
            if (tt_crc32(0, h, 12) == get32(h + 12))
                return 1;
        }
        line->dropped++;
        line->have--;
        memmove(h, h + 1, line->have);
    }
    return 0;
}

/* Checks state and constants; replies with what it found and with the record of the last fault. */
static void check(tt_protocol *line, tt_context *tt)
{
    if (!is_empty(line))
        return;
    line->constants = tt_check_constants();
    uint32_t words[6] = {settle(line, tt, tt_check(tt)), line->constants, line->restored, 0, 0, 0};
    words[3] = tt_port_fault(&words[4], &words[5]);
    reply(line, words, sizeof words);
}

/* Whether a request computes with the constants, or keeps what was computed with them. */
static int needs_constants(uint32_t type)
{
    return type == TT_PREDICT || type == TT_TRAIN || type == TT_STEP || type == TT_REPLAY_STEP || type == TT_ROW || type == TT_SAVE || type == TT_KEEP;
}

static void serve(tt_protocol *line, tt_context *tt)
{
    if (line->constants != TT_OK && needs_constants(line->type)) {
        skip(line, line->constants, 0);
        return;
    }
    switch (line->type) {
    case TT_IDENTIFY:
        identify(line);
        break;
    case TT_PREDICT:
        predict(line, tt);
        break;
    case TT_TRAIN:
    case TT_STEP:
        train(line, tt);
        break;
    case TT_SAVE:
        save(line, tt);
        break;
    case TT_LOAD:
        load(line, tt);
        break;
    case TT_COUNTERS:
        counters(line, tt);
        break;
    case TT_RESET:
        reset(line, tt);
        break;
    case TT_SCHEDULE:
        schedule(line, tt);
        break;
    case TT_CHECK:
        check(line, tt);
        break;
#if TT_REPLAY_PLACES
    case TT_REPLAY_STEP:
        replay(line, tt);
        break;
#endif
#ifdef TT_FED
    case TT_ROW:
        row(line, tt);
        break;
#endif
#ifdef TT_STORE
    case TT_KEEP:
        keep(line, tt);
        break;
#endif
    default:
        skip(line, TT_E_TYPE, 0);
    }
}

void tt_protocol_poll(tt_protocol *line, tt_context *tt)
{
    if (!find_header(line)) {
        return;
    }
    report_dropped(line);
    const uint8_t *h = line->header;
    line->have = 0;
    line->type = h[5];
    line->sequence = (uint32_t)h[6] | (uint32_t)h[7] << 8;
    line->left = get32(h + 8);
    if (line->left > LONGEST) {
        refuse(line, TT_E_LENGTH, LONGEST);
        line->quiet = 1;
    } else if (h[4] != TT_PROTOCOL_VERSION) {
        skip(line, TT_E_VERSION, TT_PROTOCOL_VERSION);
    } else {
        serve(line, tt);
    }
}
