/* Startup of the emulated board. */
#include "board.h"

extern uint32_t stack_top[], data_from[], data_start[], data_end[], bss_start[], bss_end[];
int main(int argc, char **argv);

static uint32_t semihost(uint32_t op, const void *arg)
{
    register uint32_t r0 __asm("r0") = op;
    register const void *r1 __asm("r1") = arg;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_print(const char *text)
{
    semihost(0x04, text);
}

void board_print_number(uint32_t n)
{
    char text[11], *p = text + 10;
    *p = 0;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    board_print(p);
}

_Noreturn void board_exit(int code)
{
    const uint32_t block[2] = {0x20026, (uint32_t)code};
    semihost(0x20, block);
    for (;;)
        ;
}

static void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; /* FPU on */
    for (uint32_t *to = data_start, *from = data_from; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    board_exit(main(0, 0));
}

static void fault(void)
{
    board_print("fault\n");
    board_exit(4);
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault,
};
