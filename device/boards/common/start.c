/* From reset to main, and what follows a fault, for any Cortex-M: the vector table of a board points here. Symbols come from the board's linker script. */
#include "tt_board.h"

#define PAINT 0xa5c35a3cu
#define MAGIC 0x4c554146u /* "FAUL" */
#define SCB_AIRCR (*(volatile uint32_t *)0xe000ed0cu)
#define SCB_CFSR (*(volatile uint32_t *)0xe000ed28u)
#define RESET 0x05fa0004u

extern uint32_t tt_stack_low[], tt_stack_high[];
extern const uint32_t tt_data_image[];
extern uint32_t tt_data_low[], tt_data_high[], tt_bss_low[], tt_bss_high[];

/* The record of the last fault: at the bottom of the stack, where a reset leaves it and nothing else ever writes. */
enum { CHECK, COUNT, PLACE, CAUSE, RECORD };

int main(void);

static uint32_t check_of(const volatile uint32_t *record)
{
    return MAGIC ^ record[COUNT] ^ record[PLACE] ^ record[CAUSE];
}

/* The stack lies at the bottom of RAM: one that grows too far faults instead of overwriting data. */
void tt_start(void)
{
    uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    for (uint32_t *p = tt_stack_low + RECORD; p < stack_pointer; p++)
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
    const volatile uint32_t *p = tt_stack_low + RECORD;
    while (p < tt_stack_high && *p == PAINT)
        p++;
    return (uint32_t)((uintptr_t)tt_stack_high - (uintptr_t)p);
}

uint32_t tt_board_fault(uint32_t *place, uint32_t *cause)
{
    const volatile uint32_t *record = tt_stack_low;
    if (record[CHECK] != check_of(record))
        return 0;
    *place = record[PLACE];
    *cause = record[CAUSE];
    return record[COUNT];
}

/* Leaves a record of the fault whose exception frame this is; one that lies outside of the stack is not read. */
static __attribute__((used, noreturn)) void fault_at(const uint32_t *frame)
{
    enum { PC = 6, FRAME = 8 };
    volatile uint32_t *record = tt_stack_low;
    uint32_t place, cause, count = tt_board_fault(&place, &cause);
    record[COUNT] = count + 1;
    record[PLACE] = frame >= tt_stack_low + RECORD && frame + FRAME <= tt_stack_high ? frame[PC] : 0;
    record[CAUSE] = SCB_CFSR;
    record[CHECK] = check_of(record);
    tt_fault();
}

__attribute__((naked)) void tt_fault_vector(void)
{
    __asm volatile("mrs r0, msp\n\t"
                   "ldr r1, =tt_stack_high\n\t"
                   "msr msp, r1\n\t"
                   "b %0" ::"i"(fault_at));
}

__attribute__((weak)) void tt_fault(void)
{
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = RESET;
    for (;;) {
    }
}

__attribute__((weak)) void tt_alive(void)
{
}
