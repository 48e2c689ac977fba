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

/* Where any exception ends that nothing else handles. Weak: replace it to reset or to log. */
void tt_fault(void) __attribute__((noreturn));

#endif
