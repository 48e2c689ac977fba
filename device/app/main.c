/* Yours to change: `tinytrain compile` writes this file once and never again.
 *
 * As it stands it serves the protocol of docs/protocol.md over the board's serial line: `tinytrain run` and anything else that speaks it can
 * then predict, train and read or restore what was learned. An application of its own calls tt_predict and tt_train_step (model.h). */
#include "model.h"
#include "tt_board.h"
#include "tt_protocol.h"

static struct {
    tt_context model;
    tt_protocol line;
} app;

int main(void)
{
    tt_board_init();
    tt_init(&app.model);
    tt_protocol_init(&app.line);
    for (;;)
        tt_protocol_poll(&app.line, &app.model);
}
