/* Yours to change: an application for the raw values of a sensor, which `make APP=sensor` builds in place of main.c.
 *
 * It takes rows of raw values as they come (the single values of a sound, with `--front`), normalises them, and says what it sees in every window of them. While
 * the button of a class is held, it learns that a window is of that class. In a firmware of `compile --store` it goes on from what it learned before, and saves when
 * the button is let go.
 *
 * Sensor, buttons and display are the weak functions below: define them in a file of your own for your hardware. Until then they are the serial line, which hears
 *
 *   R, 2 bytes and rows   so many rows (or values of a sound), each value an int16, the low byte first
 *   E                     the recording has ended: what follows is another one
 *   0 to 9, a to z        the button of class 0 to 35 is held
 *   .                     it is let go
 *   ?                     how far is it?
 *
 * and answers in lines of text. */
#include "tt_board.h"
#include "tt_front.h"
#include "tt_series.h"
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
/* Values that the sensor yields at a time. */
#ifdef TT_FRONT
#define APP_VALUES 1u
#else
#define APP_VALUES TT_ROW_VALUES
#endif
/* So many times the line is asked for a byte in vain before rows are given up. */
#define APP_PATIENCE 4000000u
/* No button is held. */
#define APP_NONE 0xffffffffu

static struct {
    tt_context model;
#ifdef TT_STORE
    tt_store store;
#endif
    tt_series series;
#ifdef TT_FRONT
    tt_front front;
#endif
    int16_t row[(TT_ROW_VALUES + 1) / 2 * 2];
    uint32_t left;  /* rows that the line has announced */
    uint32_t held;  /* the line's button */
    uint32_t ended; /* whether it has ended the recording */
    uint32_t asked; /* whether it wants to know how far this is */
    uint32_t ticks; /* of the clock, for the last row of the series */
} app;

/* The display: shows a text. */
void app_show(const char *text);
/* The buttons: the class of the one that is held, APP_NONE if none is. */
uint32_t app_button(void);
/* The sensor: takes the next APP_VALUES raw values, if they are there. */
int app_values(int16_t *values);
/* Whether a recording has ended, so that what follows is another one. A sensor that goes on for ever has no need of it. */
int app_ended(void);

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

/* Hears at most one byte of the line that is not of a row. */
static void listen(void)
{
    uint8_t heard, count[2];
    if (app.left || !tt_board_read(&heard, 1))
        return;
    if (heard == 'R')
        app.left = receive(count, sizeof count) ? count[0] | (uint32_t)count[1] << 8 : 0;
    else if (heard == 'E')
        app.ended = 1;
    else if (heard == '?')
        app.asked = 1;
    else if (heard == '.')
        app.held = APP_NONE;
    else if (heard >= '0' && heard <= '9')
        app.held = heard - (uint32_t)'0';
    else if (heard >= 'a' && heard <= 'z')
        app.held = heard - (uint32_t)'a' + 10;
}

__attribute__((weak)) uint32_t app_button(void)
{
    return app.held;
}

__attribute__((weak)) int app_values(int16_t *values)
{
    if (!app.left)
        return 0;
    uint8_t bytes[2];
    for (uint32_t i = 0; i < APP_VALUES; i++) {
        if (!receive(bytes, sizeof bytes)) {
            app.left = 0;
            return 0;
        }
        values[i] = (int16_t)(bytes[0] | bytes[1] << 8);
    }
    app.left--;
    return 1;
}

__attribute__((weak)) int app_ended(void)
{
    const int ended = app.ended != 0;
    app.ended = 0;
    return ended;
}

/* Goes on from the newest state in flash, or from the beginning. */
static void restore(void)
{
    tt_init(&app.model);
#ifdef TT_STORE
    if (tt_store_open(&app.store) == TT_OK)
        tt_store_load(&app.store, &app.model);
#endif
    show("ready: step ", app.model.counters.steps, ", ", TT_CLASSES, " classes\n");
}

#ifdef TT_STORE
static void save(void)
{
    tt_status status = tt_store_save(&app.store, &app.model);
    if (status == TT_OK)
        show("saved: step ", app.model.counters.steps, ", save ", app.store.sequence, "\n");
    else
        show("error ", status, " in saving step ", app.model.counters.steps, "\n");
}
#endif

static void begin(void)
{
    tt_series_begin(&app.series);
#ifdef TT_FRONT
    tt_front_begin(&app.front);
#endif
}

/* Takes values of the sensor; whether a window ends with them. */
static int take(void)
{
#ifdef TT_FRONT
    int16_t value;
    if (!app_values(&value))
        return 0;
    const uint32_t from = tt_board_clock();
    if (!tt_front_push(&app.front, value, app.row))
        return 0;
#else
    if (!app_values(app.row))
        return 0;
    const uint32_t from = tt_board_clock();
#endif
    const int whole = tt_series_push(&app.series, app.row);
    app.ticks = tt_board_clock() - from;
    return whole;
}

/* Copies the window to where the network reads its sample, which it returns. */
static const int8_t *sample(void)
{
#ifdef TT_FED
    tt_restart(&app.model);
    for (uint32_t y = 0; y < TT_INPUT_HEIGHT; y++) {
        tt_series_copy(&app.series, y * TT_ROW_BYTES, TT_ROW_BYTES, tt_row(&app.model));
        tt_row_written(&app.model, TT_INT8);
    }
    return 0; /* its rows have come in */
#else
    tt_series_copy(&app.series, 0, TT_INPUT_BYTES, tt_input(&app.model));
    return tt_input(&app.model);
#endif
}

static tt_status see(void)
{
    uint32_t seen;
    tt_status status = tt_predict(&app.model, sample(), TT_INT8, &seen);
    if (status == TT_OK)
        show("class ", seen, ", ", (uint32_t)(((uint64_t)tt_score(&app.model, seen) * 100 + (1u << 30)) >> 31), " %\n");
    return status;
}

static tt_status learn(uint32_t label)
{
    const tt_rates rates = {tt_rate_from_millionths(APP_HEAD_RATE), tt_rate_from_millionths(APP_BACKBONE_RATE)};
    tt_step_result found;
    tt_status status = tt_train_step(&app.model, sample(), TT_INT8, label, &rates, &found);
#if TT_REPLAY_PLACES
    /* What it has kept of the class that it saw longest ago is learned again, so that it is not forgotten. */
    tt_step_result again;
    uint32_t old;
    if (status == TT_OK)
        status = tt_replay_step(&app.model, &rates, &old, &again);
#endif
    if (status == TT_OK)
        show("learned ", label, ", took it for ", found.predicted, "\n");
    return status;
}

int main(void)
{
    tt_board_init();
    app.held = APP_NONE;
    const tt_status constants = tt_check_constants();
    restore();
    begin();
    for (;;) {
        tt_alive();
        listen();
        const uint32_t label = app_button();
#ifdef TT_STORE
        if (label == APP_NONE && app.model.counters.steps != app.store.steps)
            save();
#endif
        if (app.asked) {
            app.asked = 0;
            show("step ", app.model.counters.steps, ", bytes of stack used: ", tt_stack_painted(), ", ticks of a row: ");
            show_number(app.ticks);
            app_show("\n");
        }
        const int ended = app_ended();
        if (ended ? tt_series_end(&app.series) : take()) {
            tt_status status = constants != TT_OK ? constants : label == APP_NONE ? see() : learn(label);
            if (status != TT_OK)
                show("error ", status, " at step ", app.model.counters.steps, "\n");
            if (status == TT_E_STATE)
                restore();
        }
        if (ended)
            begin();
    }
}
