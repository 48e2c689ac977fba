/* What the driver needs from where it runs. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

/* Guard bytes on each side of a buffer. */
extern const uint32_t port_guard;

const uint8_t *port_cases(int argc, char **argv);
/* 8-byte aligned memory; given back in reverse order. */
uint8_t *port_take(uint32_t bytes);
void port_give(uint8_t *block);
/* Paints the stack below the caller, and says how much of it was used since; 0 where that is not known. */
void port_paint(void);
uint32_t port_depth(void);
void port_print(const char *text);
void port_print_number(uint32_t n);

#endif
