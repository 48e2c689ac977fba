/* Yours to change: `tinytrain compile` writes this file once and never overwrites it.
 *
 * Initially it implements the protocol of docs/protocol.md over the board's serial port, so that `tinytrain run`, or any other program that uses
 * the protocol, can predict, train, and save or restore the trained state. Your own application calls tt_predict and tt_train_step (model.h). */
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
