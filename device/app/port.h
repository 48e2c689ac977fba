/* The protocol's interface to the outside world. port.c implements it with the board's serial port; change it to use USB, CAN or a file. */
#ifndef TT_PORT_H
#define TT_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads at most `most` (at least 1) bytes that have arrived; returns their number, 0 if there are none. */
uint32_t tt_port_read(uint8_t *to, uint32_t most);

/* Sends bytes; returns when the last one has been passed on. */
void tt_port_write(const uint8_t *bytes, uint32_t count);

/* A free-running counter, its frequency, and a name, as reported by `identify` and `counters`. */
uint32_t tt_port_clock(void);
uint32_t tt_port_clock_hz(void);
const char *tt_port_name(void);

/* The record of the last fault, after which the board was reset: returns how many there were since power was switched on, and where the last one was and
 * why (as the board has it); 0 if there was none. */
uint32_t tt_port_fault(uint32_t *place, uint32_t *cause);

/* Bytes of stack reserved, and used so far; 0 if unknown. */
uint32_t tt_port_stack_reserved(void);
uint32_t tt_port_stack_painted(void);

#ifdef __cplusplus
}
#endif

#endif
