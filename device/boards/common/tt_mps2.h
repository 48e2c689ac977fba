/* The functions of tt_board.h on Arm's MPS2 and MPS3 boards as QEMU emulates them. A board's file defines these and includes this once:
 *
 *   TT_MPS2_NAME     its name
 *   TT_MPS2_UART     address of CMSDK UART 0
 *   TT_MPS2_TIMER    address of CMSDK timer 0, or
 *   TT_MPS2_COUNTER  address of the system counter's control frame (SSE-300)
 *   TT_MPS2_HZ       frequency of both
 *
 * QEMU hands the serial line over a byte at a time, about 35 KB/s. Where the word at tt_mailbox (`mailbox` of board.toml) holds SEMIHOSTING, which
 * QEMU's loader puts there, the same bytes come and go through the semihosting console instead, in blocks. The clock counts virtual time: under
 * `-icount shift=8` an instruction is 256 ns. */
#include "tt_board.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define UART_DATA REG(TT_MPS2_UART)
#define UART_STATE REG(TT_MPS2_UART + 4u) /* 0: transmitter full, 1: receiver full */
#define UART_CTRL REG(TT_MPS2_UART + 8u)  /* 0: transmit, 1: receive */
#define UART_BAUDDIV REG(TT_MPS2_UART + 16u)
#ifdef TT_MPS2_COUNTER
#define COUNTER_CTRL REG(TT_MPS2_COUNTER)
#define COUNTER_LOW REG(TT_MPS2_COUNTER + 8u)
#else
#define TIMER_CTRL REG(TT_MPS2_TIMER)
#define TIMER_VALUE REG(TT_MPS2_TIMER + 4u)
#define TIMER_RELOAD REG(TT_MPS2_TIMER + 8u)
#endif

#define SEMIHOSTING 0x54544831u

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06 };
enum { CONSOLE_IN = 0, CONSOLE_OUT = 4 }; /* modes "r" and "w" of SYS_OPEN for the name ":tt" */

/* From the linker script: words of a memory that is not the program's. */
extern volatile uint32_t tt_mailbox[];

static int32_t semihosting(uint32_t operation, const uint32_t *arguments)
{
    register uint32_t r0 __asm("r0") = operation;
    register const uint32_t *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

/* The console's handle; the words behind the mailbox hold the two, so that this board has no variables. */
static uint32_t console(uint32_t mode)
{
    static const char name[] = ":tt";
    volatile uint32_t *handle = tt_mailbox + (mode == CONSOLE_IN ? 1 : 2);
    if (!*handle) {
        const uint32_t open[3] = {(uint32_t)(uintptr_t)name, mode, sizeof name - 1};
        *handle = (uint32_t)semihosting(SYS_OPEN, open);
    }
    return *handle;
}

void tt_board_init(void)
{
    UART_BAUDDIV = TT_MPS2_HZ / TT_BAUD;
    UART_CTRL = 3;
#ifdef TT_MPS2_COUNTER
    COUNTER_CTRL = 1;
#else
    TIMER_RELOAD = 0xffffffffu;
    TIMER_VALUE = 0xffffffffu;
    TIMER_CTRL = 1;
#endif
}

const char *tt_board_name(void)
{
    return TT_MPS2_NAME;
}

uint32_t tt_board_clock_hz(void)
{
    return TT_MPS2_HZ;
}

uint32_t tt_board_clock(void)
{
#ifdef TT_MPS2_COUNTER
    return COUNTER_LOW;
#else
    return ~TIMER_VALUE; /* it counts down */
#endif
}

uint32_t tt_board_read(uint8_t *to, uint32_t most)
{
    if (*tt_mailbox == SEMIHOSTING) {
        const uint32_t read[3] = {console(CONSOLE_IN), (uint32_t)(uintptr_t)to, most};
        return most - (uint32_t)semihosting(SYS_READ, read); /* waits for the first byte */
    }
    if (!(UART_STATE & 2))
        return 0;
    *to = (uint8_t)UART_DATA;
    return 1;
}

void tt_board_write(const uint8_t *bytes, uint32_t count)
{
    if (*tt_mailbox == SEMIHOSTING) {
        const uint32_t write[3] = {console(CONSOLE_OUT), (uint32_t)(uintptr_t)bytes, count};
        semihosting(SYS_WRITE, write);
        return;
    }
    while (count--) {
        while (UART_STATE & 1) {
        }
        UART_DATA = *bytes++;
    }
}
