/* Yours to change: a product in small, which `make APP=product` builds in place of main.c.
 *
 * It goes on from what it learned before, looks at the frames of a camera and says what it sees. While the button of a class is held, it learns that what it sees is
 * of that class; when the button is let go, what it learned is saved in flash.
 *
 * Camera, buttons and display are the weak functions below: define them in a file of your own for your hardware. Until then they are the serial line, which hears
 *
 *   F and a frame     rows of pixels in RGB565, the byte with the red first
 *   0 to 9, a to z    the button of class 0 to 35 is held
 *   .                 it is let go
 *   ?                 how far is it?
 *
 * and answers in lines of text. */
#include "tt_board.h"
#include "tt_camera.h"
#include "tt_store.h"

/* The learning rates of head and backbone in millionths: the same for all steps, since nobody knows how many will come. */
#ifndef APP_HEAD_RATE
#define APP_HEAD_RATE 1600u
#endif
#ifndef APP_BACKBONE_RATE
#define APP_BACKBONE_RATE 1600u
#endif
/* The camera's pixels. */
#define APP_FORMAT TT_RGB565
#define APP_PIXEL_BYTES 2u
/* So many times the line is asked for a byte in vain before a frame is given up. */
#define APP_PATIENCE 4000000u
/* No button is held. */
#define APP_NONE 0xffffffffu

/* The camera's frames: those of `--camera`, otherwise of the network's own size. */
#ifndef TT_VIEW
#define TT_VIEW {TT_INPUT_WIDTH, TT_INPUT_HEIGHT, 0, 0, TT_INPUT_WIDTH, TT_INPUT_HEIGHT}
#define TT_VIEW_WIDTH TT_INPUT_WIDTH
#endif

static const tt_view view = TT_VIEW;

static struct {
    tt_context model;
    tt_store store;
    tt_camera camera;
    uint8_t row[(TT_VIEW_WIDTH * APP_PIXEL_BYTES + 3) / 4 * 4];
    uint32_t held;  /* the line's button */
    uint32_t frame; /* whether the line has begun a frame */
    uint32_t asked; /* whether it wants to know how far this is */
} app;

/* The display: shows a text. */
void app_show(const char *text);
/* The buttons: the class of the one that is held, APP_NONE if none is. */
uint32_t app_button(void);
/* The camera: whether there is another frame, whose rows are then taken from the top. */
int app_frame(void);
/* Takes the next row of a frame; 0 if it does not come. */
int app_row(uint8_t *pixels, uint32_t bytes);

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

/* Hears at most one byte of the line that is not of a frame. */
static void listen(void)
{
    uint8_t heard;
    if (app.frame || !tt_board_read(&heard, 1))
        return;
    if (heard == 'F')
        app.frame = 1;
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

__attribute__((weak)) int app_frame(void)
{
    const int there = app.frame != 0;
    app.frame = 0;
    return there;
}

__attribute__((weak)) int app_row(uint8_t *pixels, uint32_t bytes)
{
    for (uint32_t vain = 0; bytes;) {
        const uint32_t count = tt_board_read(pixels, bytes);
        tt_alive();
        if (!count && ++vain == APP_PATIENCE)
            return 0;
        pixels += count;
        bytes -= count;
    }
    return 1;
}

/* Goes on from the newest state in flash, or from the beginning. */
static void restore(void)
{
    tt_init(&app.model);
    if (tt_store_open(&app.store) == TT_OK)
        tt_store_load(&app.store, &app.model);
    show("ready: step ", app.model.counters.steps, ", ", TT_CLASSES, " classes\n");
}

/* Takes a frame to where the network reads its sample. */
static tt_status take(void)
{
    tt_status status = tt_camera_begin(&app.camera, &view, APP_FORMAT);
#ifdef TT_FED
    tt_restart(&app.model);
#else
    int8_t *to = tt_input(&app.model);
#endif
    for (uint32_t y = 0; status == TT_OK && y < view.height; y++) {
        if (!app_row(app.row, view.width * APP_PIXEL_BYTES))
            return TT_E_ROWS;
#ifdef TT_FED
        while (status == TT_OK && tt_camera_row(&app.camera, app.row, tt_row(&app.model)))
            status = tt_row_written(&app.model, TT_RGB888);
#else
        while (tt_camera_row(&app.camera, app.row, to))
            to += TT_ROW_BYTES;
#endif
    }
    return status;
}

static const int8_t *sample(void)
{
#ifdef TT_FED
    return 0; /* its rows have come in */
#else
    return tt_input(&app.model);
#endif
}

static tt_status see(void)
{
    uint32_t seen;
    tt_status status = tt_predict(&app.model, sample(), TT_RGB888, &seen);
    if (status == TT_OK)
        show("class ", seen, ", ", (uint32_t)(((uint64_t)tt_score(&app.model, seen) * 100 + (1u << 30)) >> 31), " %\n");
    return status;
}

static tt_status learn(uint32_t label)
{
    const tt_rates rates = {tt_rate_from_millionths(APP_HEAD_RATE), tt_rate_from_millionths(APP_BACKBONE_RATE)};
    tt_step_result found;
    tt_status status = tt_train_step(&app.model, sample(), TT_RGB888, label, &rates, &found);
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

static void save(void)
{
    tt_status status = tt_store_save(&app.store, &app.model);
    if (status == TT_OK)
        show("saved: step ", app.model.counters.steps, ", save ", app.store.sequence, "\n");
    else
        show("error ", status, " in saving step ", app.model.counters.steps, "\n");
}

int main(void)
{
    tt_board_init();
    app.held = APP_NONE;
    const tt_status constants = tt_check_constants();
    restore();
    for (;;) {
        tt_alive();
        listen();
        const uint32_t label = app_button();
        if (label == APP_NONE && app.model.counters.steps != app.store.steps)
            save();
        if (app.asked) {
            app.asked = 0;
            show("step ", app.model.counters.steps, ", bytes of stack used: ", tt_stack_painted(), "\n");
        }
        if (!app_frame())
            continue;
        tt_status status = take();
        if (status == TT_OK)
            status = constants != TT_OK ? constants : label == APP_NONE ? see() : learn(label);
        if (status != TT_OK)
            show("error ", status, " at step ", app.model.counters.steps, "\n");
        if (status == TT_E_STATE)
            restore();
    }
}
