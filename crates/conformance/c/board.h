/* The emulated board, `mps2-an500` (Cortex-M7): semihosting, and a count of guest instructions. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_print_number(uint32_t n);
_Noreturn void board_exit(int code);
/* Guest instructions since the start, with `-icount shift=0` (an instruction is then a nanosecond of virtual time),
 * in steps of 40: the period of the board's 25 MHz clock. */
uint64_t board_instructions(void);

#endif
