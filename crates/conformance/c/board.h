/* The emulated board, `mps2-an500` (Cortex-M7), over semihosting. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_print_number(uint32_t n);
_Noreturn void board_exit(int code);

#endif
