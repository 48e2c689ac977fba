/* Yours to change: `tinytrain compile` writes this file once and never overwrites it.
 *
 * Initially it implements the protocol of docs/protocol.md over the board's serial port, so that `tinytrain run`, or any other program that uses
 * the protocol, can predict, train, and save or restore the trained state. Your own application calls tt_predict and tt_train_step (model.h).
 *
 * TT_STORE is there in a firmware of `compile --store`: what was learned lies in flash, too. */
#include "model.h"
#include "tt_board.h"
#include "tt_protocol.h"
#ifdef TT_STORE
#include "tt_store.h"
#endif

static struct {
    tt_context model;
    tt_protocol line;
#ifdef TT_STORE
    tt_store store;
#endif
} app;

/* Goes on from the newest state in flash; begins anew where there is none of this program, or no store. */
void tt_protocol_restore(tt_context *tt)
{
    tt_init(tt);
#ifdef TT_STORE
    if (tt_store_open(&app.store) == TT_OK)
        tt_store_load(&app.store, tt);
#endif
}

#ifdef TT_STORE
tt_status tt_protocol_keep(const tt_context *tt)
{
    return tt_store_save(&app.store, tt);
}

/* Saves every TT_STORE training steps, and after a state was loaded or reset; where TT_STORE is 0, only what tt_protocol_keep is asked for. */
static void keep(void)
{
#if TT_STORE
    if (app.model.counters.steps - app.store.steps >= TT_STORE)
        tt_store_save(&app.store, &app.model);
#endif
}
#endif

int main(void)
{
    tt_board_init();
    tt_protocol_init(&app.line);
    app.line.constants = tt_check_constants();
    tt_protocol_restore(&app.model);
    for (;;) {
        tt_protocol_poll(&app.line, &app.model);
#ifdef TT_STORE
        keep();
#endif
    }
}
