/* From reset to main, for any Cortex-M: the vector table of a board points here. Symbols come from the board's linker script. */
#include "tt_board.h"

#define PAINT 0xa5c35a3cu

extern uint32_t tt_stack_low[], tt_stack_high[];
extern const uint32_t tt_data_image[];
extern uint32_t tt_data_low[], tt_data_high[], tt_bss_low[], tt_bss_high[];

int main(void);

/* The stack lies at the bottom of RAM: one that grows too far faults instead of overwriting data. */
void tt_start(void)
{
    uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    for (uint32_t *p = tt_stack_low; p < stack_pointer; p++)
        *(volatile uint32_t *)p = PAINT;
    const uint32_t *from = tt_data_image;
    for (uint32_t *p = tt_data_low; p < tt_data_high; p++)
        *(volatile uint32_t *)p = *from++;
    for (uint32_t *p = tt_bss_low; p < tt_bss_high; p++)
        *(volatile uint32_t *)p = 0;
    main();
    tt_fault();
}

uint32_t tt_stack_reserved(void)
{
    return (uint32_t)((uintptr_t)tt_stack_high - (uintptr_t)tt_stack_low);
}

uint32_t tt_stack_painted(void)
{
    const volatile uint32_t *p = tt_stack_low;
    while (p < tt_stack_high && *p == PAINT)
        p++;
    return (uint32_t)((uintptr_t)tt_stack_high - (uintptr_t)p);
}

__attribute__((weak)) void tt_fault(void)
{
    for (;;) {
    }
}
