/* Yours to change: `tinytrain compile` writes this file once and never overwrites it.
 *
 * Initially it implements the protocol of docs/protocol.md over the board's serial port, so that `tinytrain run`, or any other program that uses
 * the protocol, can predict, train, and save or restore the trained state. Your own application calls tt_predict and tt_train_step (model.h). */
#include "model.h"
#include "tt_board.h"
#include "tt_protocol.h"
#ifdef TT_STORE_STEPS
#include "tt_store.h"
#endif

static struct {
    tt_context model;
    tt_protocol line;
#ifdef TT_STORE_STEPS
    tt_store store;
    uint32_t saved; /* training steps of the state in flash */
#endif
} app;

#ifdef TT_STORE_STEPS
/* Goes on from what was learned before the last reset. */
static void restore(void)
{
    if (tt_store_open(&app.store) == TT_OK)
        tt_store_load(&app.store, &app.model);
    app.saved = app.model.counters.steps;
}

/* Saves after every TT_STORE_STEPS training steps, and after a state was loaded or reset. */
static void keep(void)
{
    if (app.model.counters.steps - app.saved < TT_STORE_STEPS)
        return;
    tt_store_save(&app.store, &app.model);
    app.saved = app.model.counters.steps;
}
#endif

int main(void)
{
    tt_board_init();
    tt_init(&app.model);
    tt_protocol_init(&app.line);
#ifdef TT_STORE_STEPS
    restore();
#endif
    for (;;) {
        tt_protocol_poll(&app.line, &app.model);
#ifdef TT_STORE_STEPS
        keep();
#endif
    }
}
