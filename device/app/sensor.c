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
#include "common.h"
#include "tt_front.h"
#include "tt_series.h"

/* Values that the sensor yields at a time. */
#ifdef TT_FRONT
#define APP_VALUES 1u
#else
#define APP_VALUES TT_ROW_VALUES
#endif

static struct {
    app_core core;
    tt_series series;
#ifdef TT_FRONT
    tt_front front;
#endif
    int16_t row[(TT_ROW_VALUES + 1) / 2 * 2];
    uint32_t left;  /* rows that the line has announced */
    uint32_t ended; /* whether it has ended the recording */
    uint32_t ticks; /* of the clock, for the last row of the series */
} app;

/* The sensor: takes the next APP_VALUES raw values, if they are there. */
int app_values(int16_t *values);
/* Whether a recording has ended, so that what follows is another one. A sensor that goes on for ever has no need of it. */
int app_ended(void);

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
    else
        hear(&app.core, heard);
}

__attribute__((weak)) uint32_t app_button(void)
{
    return app.core.held;
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
    tt_restart(&app.core.model);
    for (uint32_t y = 0; y < TT_INPUT_HEIGHT; y++) {
        tt_series_copy(&app.series, y * TT_ROW_BYTES, TT_ROW_BYTES, tt_row(&app.core.model));
        tt_row_written(&app.core.model, TT_INT8);
    }
    return 0; /* its rows have come in */
#else
    tt_series_copy(&app.series, 0, TT_INPUT_BYTES, tt_input(&app.core.model));
    return tt_input(&app.core.model);
#endif
}

int main(void)
{
    tt_board_init();
    app.core.held = APP_NONE;
    const tt_status constants = tt_check_constants();
    restore(&app.core);
    begin();
    for (;;) {
        tt_alive();
        listen();
        const uint32_t label = app_button();
        remember(&app.core, label);
        if (app.core.asked) {
            app.core.asked = 0;
            show("step ", app.core.model.counters.steps, ", bytes of stack used: ", tt_stack_painted(), ", ticks of a row: ");
            show_number(app.ticks);
            app_show("\n");
        }
        const int ended = app_ended();
        if (ended ? tt_series_end(&app.series) : take())
            look(&app.core, constants, sample(), TT_INT8, label);
        if (ended)
            begin();
    }
}
