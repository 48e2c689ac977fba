/* Yours to change: what the applications product.c and sensor.c have in common. Each has an app_core; functions that take one belong to it alone. */
#ifndef APP_COMMON_H
#define APP_COMMON_H

#include "model.h"
#include "tt_board.h"
#ifdef TT_STORE
#include "tt_store.h"
#endif

/* The learning rates of head and backbone in millionths: the same for all steps, since nobody knows how many will come. */
#ifndef APP_HEAD_RATE
#define APP_HEAD_RATE 1600u
#endif
#ifndef APP_BACKBONE_RATE
#define APP_BACKBONE_RATE 1600u
#endif
/* So many times the line is asked for a byte in vain before a sample is given up. */
#define APP_PATIENCE 4000000u
/* No button is held. */
#define APP_NONE 0xffffffffu

/* The network, and what the line has said of it. */
typedef struct {
    tt_context model;
#ifdef TT_STORE
    tt_store store;
#endif
    uint32_t held;  /* the line's button */
    uint32_t asked; /* whether it wants to know how far this is */
} app_core;

/* The display: shows a text. */
void app_show(const char *text);
/* The buttons: the class of the one that is held, APP_NONE if none is. */
uint32_t app_button(void);

__attribute__((weak)) void app_show(const char *text)
{
    uint32_t count = 0;
    while (text[count])
        count++;
    tt_board_write((const uint8_t *)text, count);
}

static void show_number(uint32_t n)
{
    char text[11], *p = text + 10;
    *p = 0;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    app_show(p);
}

/* A line with up to two numbers. */
static void show(const char *before, uint32_t n, const char *between, uint32_t m, const char *after)
{
    app_show(before);
    show_number(n);
    app_show(between);
    show_number(m);
    app_show(after);
}

/* Takes bytes of the line; 0 if they do not come. */
static int receive(uint8_t *to, uint32_t bytes)
{
    for (uint32_t vain = 0; bytes;) {
        const uint32_t count = tt_board_read(to, bytes);
        tt_alive();
        if (!count && ++vain == APP_PATIENCE)
            return 0;
        to += count;
        bytes -= count;
    }
    return 1;
}

/* A byte of the line that is a question or a button. */
static void hear(app_core *core, uint8_t heard)
{
    if (heard == '?')
        core->asked = 1;
    else if (heard == '.')
        core->held = APP_NONE;
    else if (heard >= '0' && heard <= '9')
        core->held = heard - (uint32_t)'0';
    else if (heard >= 'a' && heard <= 'z')
        core->held = heard - (uint32_t)'a' + 10;
}

/* Goes on from the newest state in flash, or from the beginning. */
static void restore(app_core *core)
{
    tt_init(&core->model);
#ifdef TT_STORE
    if (tt_store_open(&core->store) == TT_OK)
        tt_store_load(&core->store, &core->model);
#endif
    show("ready: step ", core->model.counters.steps, ", ", TT_CLASSES, " classes\n");
}

/* Saves what was learned since the last time, once no button is held any more. */
static void remember(app_core *core, uint32_t label)
{
#ifdef TT_STORE
    if (label != APP_NONE || core->model.counters.steps == core->store.steps)
        return;
    tt_status status = tt_store_save(&core->store, &core->model);
    if (status == TT_OK)
        show("saved: step ", core->model.counters.steps, ", save ", core->store.sequence, "\n");
    else
        show("error ", status, " in saving step ", core->model.counters.steps, "\n");
#else
    (void)core;
    (void)label;
#endif
}

static tt_status see(app_core *core, const int8_t *sample, tt_format format)
{
    uint32_t seen;
    tt_status status = tt_predict(&core->model, sample, format, &seen);
    if (status == TT_OK)
        show("class ", seen, ", ", (uint32_t)(((uint64_t)tt_score(&core->model, seen) * 100 + (1u << 30)) >> 31), " %\n");
    return status;
}

static tt_status learn(app_core *core, const int8_t *sample, tt_format format, uint32_t label)
{
    const tt_rates rates = {tt_rate_from_millionths(APP_HEAD_RATE), tt_rate_from_millionths(APP_BACKBONE_RATE)};
    tt_step_result found;
    tt_status status = tt_train_step(&core->model, sample, format, label, &rates, &found);
#if TT_REPLAY_PLACES
    /* What it has kept of the class that it saw longest ago is learned again, so that it is not forgotten. */
    tt_step_result again;
    uint32_t old;
    if (status == TT_OK)
        status = tt_replay_step(&core->model, &rates, &old, &again);
#endif
    if (status == TT_OK)
        show("learned ", label, ", took it for ", found.predicted, "\n");
    return status;
}

/* Learns that a sample is of the class whose button is held, or says what it sees; what went wrong is shown, here or before. */
static void look(app_core *core, tt_status status, const int8_t *sample, tt_format format, uint32_t label)
{
    if (status == TT_OK)
        status = label == APP_NONE ? see(core, sample, format) : learn(core, sample, format, label);
    if (status != TT_OK)
        show("error ", status, " at step ", core->model.counters.steps, "\n");
    if (status == TT_E_STATE)
        restore(core);
}

#endif
