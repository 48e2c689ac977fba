/* What a board provides. A new board is one folder beside this one that implements these functions; docs/boards.md says how. */
#ifndef TT_BOARD_H
#define TT_BOARD_H

#include <stdint.h>

/* Bits a second of the serial line. */
#ifndef TT_BAUD
#define TT_BAUD 115200
#endif

/* Clocks, caches, the serial line. Called once, first thing in main. */
void tt_board_init(void);

/* The board's name and the frequency of tt_board_clock(). */
const char *tt_board_name(void);
uint32_t tt_board_clock_hz(void);

/* A counter that runs freely and wraps at 2^32: processor cycles where the processor counts them. */
uint32_t tt_board_clock(void);

/* Takes at most `most` (at least 1) bytes that have come in; returns how many, 0 if there are none. */
uint32_t tt_board_read(uint8_t *to, uint32_t most);

/* Sends bytes; returns when the last one has been handed over. */
void tt_board_write(const uint8_t *bytes, uint32_t count);

/* The stack: bytes set aside by the linker script, and bytes used so far (it is painted at reset). */
uint32_t tt_stack_reserved(void);
uint32_t tt_stack_painted(void);

/* Common to all Cortex-M boards (start.c): paints the stack, fills .data and .bss, calls main. Does not return. */
void tt_start(void) __attribute__((noreturn));

/* Where any exception ends that nothing else handles, and main if it returns: a record is left, and the board is reset. Weak: replace it to do something else. */
void tt_fault(void) __attribute__((noreturn));

/* The handler of such an exception, for vector tables: it takes a new stack, since the old one may be at its end, and calls tt_fault. */
void tt_fault_vector(void);

/* The record of the last fault: returns how many there were since power was switched on, 0 if there was none; where (address of an instruction, 0 if it is
 * not known) and why (CFSR of the core: docs/device.md). */
uint32_t tt_board_fault(uint32_t *place, uint32_t *cause);

/* Called whenever the firmware waits for a byte: at least once between two requests. Weak, and empty: replace it to serve a watchdog, which must allow for the
 * longest request: a training step, or a save with the erase of a sector. */
void tt_alive(void);

#endif
