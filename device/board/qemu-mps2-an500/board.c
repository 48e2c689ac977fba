/* QEMU's mps2-an500: an Arm MPS2 board with the AN500 image, a Cortex-M7.
 *
 * The serial line is CMSDK UART 0. QEMU hands it over a byte at a time, some 35 KB a second; where the word at MAILBOX holds SEMIHOSTING
 * (`-device loader,addr=0x60000000,data=0x54544831,data-len=4`), the same bytes come and go through the semihosting console instead, in
 * blocks. The clock is CMSDK timer 0 at 25 MHz of virtual time: under `-icount shift=8` an instruction is 256 ns, 6.4 ticks. */
#include "tt_board.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define UART_DATA REG(0x40004000u)
#define UART_STATE REG(0x40004004u) /* 0: transmitter full, 1: receiver full */
#define UART_CTRL REG(0x40004008u)  /* 0: transmit, 1: receive */
#define UART_BAUDDIV REG(0x40004010u)
#define TIMER_CTRL REG(0x40000000u)
#define TIMER_VALUE REG(0x40000004u)
#define TIMER_RELOAD REG(0x40000008u)
#define MAILBOX REG(0x60000000u) /* PSRAM: not part of the program's memory */

#define SEMIHOSTING 0x54544831u
#define CLOCK_HZ 25000000u

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06 };
enum { CONSOLE_IN = 0, CONSOLE_OUT = 4 }; /* modes "r" and "w" of SYS_OPEN for the name ":tt" */

static int32_t semihosting(uint32_t operation, const uint32_t *arguments)
{
    register uint32_t r0 __asm("r0") = operation;
    register const uint32_t *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

/* The console's handle; PSRAM keeps the two, so that this board has no variables. */
static uint32_t console(uint32_t mode)
{
    static const char name[] = ":tt";
    volatile uint32_t *kept = &MAILBOX + (mode == CONSOLE_IN ? 1 : 2);
    if (!*kept) {
        const uint32_t open[3] = {(uint32_t)(uintptr_t)name, mode, sizeof name - 1};
        *kept = (uint32_t)semihosting(SYS_OPEN, open);
    }
    return *kept;
}

void tt_board_init(void)
{
    UART_BAUDDIV = CLOCK_HZ / TT_BAUD;
    UART_CTRL = 3;
    TIMER_RELOAD = 0xffffffffu;
    TIMER_VALUE = 0xffffffffu;
    TIMER_CTRL = 1;
}

const char *tt_board_name(void)
{
    return "qemu-mps2-an500";
}

uint32_t tt_board_clock_hz(void)
{
    return CLOCK_HZ;
}

uint32_t tt_board_clock(void)
{
    return ~TIMER_VALUE; /* it counts down */
}

uint32_t tt_board_read(uint8_t *to, uint32_t most)
{
    if (MAILBOX == SEMIHOSTING) {
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
    if (MAILBOX == SEMIHOSTING) {
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
