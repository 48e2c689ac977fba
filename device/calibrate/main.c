/* Measures the cost of each step of a program. Over the board's serial port it receives a schedule of learning rates, then labels and samples; it trains, and replies with
 * the clock before each step, and its frequency. `tinytrain run --calibrate` builds this in place of app/main.c, in a separate folder; no firmware
 * contains it. */
#include "marks.h"
#include "tt_board.h"

static tt_context model;

/* Before each step, at the end of the last one, before and after all of them, and once more immediately, which gives the cost of a mark. Then the
 * frequency of the clock. */
static uint32_t marks[TT_STEPS + 5];

void tt_mark(uint32_t step)
{
    marks[step] = tt_board_clock();
}

static void take(void *to, uint32_t count)
{
    uint8_t *at = to;
    while (count > 0) {
        uint32_t n = tt_board_read(at, count);
        at += n;
        count -= n;
    }
}

int main(void)
{
    tt_board_init();
    tt_init(&model);
    tt_schedule schedule;
    take(&schedule, sizeof schedule);
    tt_begin_schedule(&model, schedule.head, schedule.backbone, schedule.steps);
    for (;;) {
        uint32_t label;
        tt_step_result found;
        take(&label, sizeof label);
        take(tt_input(&model), TT_INPUT_BYTES);
        tt_mark(TT_STEPS + 1);
        tt_train_step(&model, tt_input(&model), TT_INT8, label, NULL, &found);
        tt_mark(TT_STEPS + 2);
        tt_mark(TT_STEPS + 3);
        marks[TT_STEPS + 4] = tt_board_clock_hz();
        tt_board_write((const uint8_t *)marks, sizeof marks);
    }
}
