/* What the protocol needs of the outside world. port.c answers with the board's serial line; change it to speak over USB, CAN or a file. */
#ifndef TT_PORT_H
#define TT_PORT_H

#include <stdint.h>

/* Takes at most `most` (at least 1) bytes that have come in; returns how many, 0 if there are none. */
uint32_t tt_port_read(uint8_t *to, uint32_t most);

/* Sends bytes; returns when the last one has been handed over. */
void tt_port_write(const uint8_t *bytes, uint32_t count);

/* A counter that runs freely, its frequency, and a name: what `identify` and `counters` report. */
uint32_t tt_port_clock(void);
uint32_t tt_port_clock_hz(void);
const char *tt_port_name(void);

/* Bytes of stack set aside, and used so far; 0 where that is not known. */
uint32_t tt_port_stack_reserved(void);
uint32_t tt_port_stack_painted(void);

#endif
