/* Yours to change: see port.h. */
#include "port.h"

#include "tt_board.h"

uint32_t tt_port_read(uint8_t *to, uint32_t most)
{
    tt_alive();
    return tt_board_read(to, most);
}

void tt_port_write(const uint8_t *bytes, uint32_t count)
{
    tt_board_write(bytes, count);
}

uint32_t tt_port_clock(void)
{
    return tt_board_clock();
}

uint32_t tt_port_clock_hz(void)
{
    return tt_board_clock_hz();
}

const char *tt_port_name(void)
{
    return tt_board_name();
}

uint32_t tt_port_fault(uint32_t *place, uint32_t *cause)
{
    return tt_board_fault(place, cause);
}

uint32_t tt_port_stack_reserved(void)
{
    return tt_stack_reserved();
}

uint32_t tt_port_stack_painted(void)
{
    return tt_stack_painted();
}
