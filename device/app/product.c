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
#include "common.h"
#include "tt_camera.h"

/* The camera's pixels. */
#define APP_FORMAT TT_RGB565
#define APP_PIXEL_BYTES 2u
/* The camera's frames: those of `--camera`, otherwise of the network's own size. */
#ifndef TT_VIEW
#define TT_VIEW {TT_INPUT_WIDTH, TT_INPUT_HEIGHT, 0, 0, TT_INPUT_WIDTH, TT_INPUT_HEIGHT}
#define TT_VIEW_WIDTH TT_INPUT_WIDTH
#endif

static const tt_view view = TT_VIEW;

static struct {
    app_core core;
    tt_camera camera;
    uint8_t row[(TT_VIEW_WIDTH * APP_PIXEL_BYTES + 3) / 4 * 4];
    uint32_t frame; /* whether the line has begun a frame */
} app;

/* The camera: whether there is another frame, whose rows are then taken from the top. */
int app_frame(void);
/* Takes the next row of a frame; 0 if it does not come. */
int app_row(uint8_t *pixels, uint32_t bytes);

/* Hears at most one byte of the line that is not of a frame. */
static void listen(void)
{
    uint8_t heard;
    if (app.frame || !tt_board_read(&heard, 1))
        return;
    if (heard == 'F')
        app.frame = 1;
    else
        hear(&app.core, heard);
}

__attribute__((weak)) uint32_t app_button(void)
{
    return app.core.held;
}

__attribute__((weak)) int app_frame(void)
{
    const int there = app.frame != 0;
    app.frame = 0;
    return there;
}

__attribute__((weak)) int app_row(uint8_t *pixels, uint32_t bytes)
{
    return receive(pixels, bytes);
}

/* Takes a frame to where the network reads its sample. */
static tt_status take(void)
{
    tt_status status = tt_camera_begin(&app.camera, &view, APP_FORMAT);
#ifdef TT_FED
    tt_restart(&app.core.model);
#else
    int8_t *to = tt_input(&app.core.model);
#endif
    for (uint32_t y = 0; status == TT_OK && y < view.height; y++) {
        if (!app_row(app.row, view.width * APP_PIXEL_BYTES))
            return TT_E_ROWS;
#ifdef TT_FED
        while (status == TT_OK && tt_camera_row(&app.camera, app.row, tt_row(&app.core.model)))
            status = tt_row_written(&app.core.model, TT_RGB888);
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
    return tt_input(&app.core.model);
#endif
}

int main(void)
{
    tt_board_init();
    app.core.held = APP_NONE;
    const tt_status constants = tt_check_constants();
    restore(&app.core);
    for (;;) {
        tt_alive();
        listen();
        const uint32_t label = app_button();
        remember(&app.core, label);
        if (app.core.asked) {
            app.core.asked = 0;
            show("step ", app.core.model.counters.steps, ", bytes of stack used: ", tt_stack_painted(), "\n");
        }
        if (!app_frame())
            continue;
        const tt_status status = take();
        look(&app.core, status == TT_OK ? constants : status, sample(), TT_RGB888, label);
    }
}
