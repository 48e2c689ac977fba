/* A vector table for any Cortex-M whose board uses no interrupt. */
#include "tt_board.h"

extern uint32_t tt_stack_high[];

typedef void (*tt_vector)(void);

typedef struct {
    uint32_t *stack;
    tt_vector exceptions[15]; /* reset, NMI, faults (the last one is that of Armv8-M), SVCall, PendSV, SysTick */
} tt_vectors;

extern const tt_vectors tt_vector_table;

__attribute__((section(".vectors"), used)) const tt_vectors tt_vector_table = {
    tt_stack_high,
    {tt_start, tt_fault_vector, tt_fault_vector, tt_fault_vector, tt_fault_vector, tt_fault_vector, tt_fault_vector, 0, 0, 0, tt_fault_vector,
     tt_fault_vector, 0, tt_fault_vector, tt_fault_vector},
};
