/* The driver on the emulated board. QEMU's loader has put the cases into PSRAM. */
#include "board.h"
#include "port.h"

#include <stddef.h>

const uint32_t port_guard = 32;

__attribute__((section(".noinit"), aligned(8))) static uint8_t pool[3 << 20];
static uint32_t used;

const uint8_t *port_cases(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return (const uint8_t *)0x60000000;
}

uint8_t *port_take(uint32_t bytes)
{
    uint8_t *block = pool + used;
    used += (bytes + 7) & ~7u;
    if (used > sizeof pool) {
        port_print("pool too small\n");
        board_exit(3);
    }
    return block;
}

void port_give(uint8_t *block)
{
    used = (uint32_t)(block - pool);
}

/* Words painted below the stack pointer. */
#define PAINTED 1024
#define PAINT 0x5ca1ab1eu

__attribute__((noinline)) void port_paint(void)
{
    volatile uint32_t *top;
    __asm volatile("mov %0, sp" : "=r"(top));
    for (uint32_t i = 1; i <= PAINTED; i++)
        top[-(int32_t)i] = PAINT;
}

__attribute__((noinline)) uint32_t port_depth(void)
{
    volatile uint32_t *top;
    __asm volatile("mov %0, sp" : "=r"(top));
    uint32_t i = PAINTED;
    while (i > 0 && top[-(int32_t)i] == PAINT)
        i--;
    return 4 * i;
}

void port_print(const char *text)
{
    board_print(text);
}

void port_print_number(uint32_t n)
{
    board_print_number(n);
}
