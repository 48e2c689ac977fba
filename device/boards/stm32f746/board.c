/* STM32F746 (written for the Discovery board, B-F746G): 216 MHz, caches on, USART1 at PA9 (TX) and PB7 (RX), which the Discovery's
 * ST-LINK shows as a virtual COM port. Register names and numbers are those of ST's reference manual RM0385.
 *
 * The 25 MHz crystal drives the PLL; a board without one runs from the internal 16 MHz oscillator, at the same 216 MHz within 1 %. */
#include "tt_board.h"

#define REG(address) (*(volatile uint32_t *)(address))

/* Reset and clock control. */
#define RCC_CR REG(0x40023800u)
#define RCC_PLLCFGR REG(0x40023804u)
#define RCC_CFGR REG(0x40023808u)
#define RCC_AHB1ENR REG(0x40023830u)
#define RCC_APB1ENR REG(0x40023840u)
#define RCC_APB2ENR REG(0x40023844u)
#define HSE_ON (1u << 16)
#define HSE_READY (1u << 17)
#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)

/* Power and flash. */
#define PWR_CR1 REG(0x40007000u)
#define PWR_CSR1 REG(0x40007004u)
#define FLASH_ACR REG(0x40023c00u)
#define OVERDRIVE_ON (1u << 16)
#define OVERDRIVE_SWITCH (1u << 17)

/* Ports A and B. */
#define GPIOA_MODER REG(0x40020000u)
#define GPIOA_OSPEEDR REG(0x40020008u)
#define GPIOA_AFRH REG(0x40020024u)
#define GPIOB_MODER REG(0x40020400u)
#define GPIOB_PUPDR REG(0x4002040cu)
#define GPIOB_AFRL REG(0x40020420u)

/* USART1. */
#define USART_CR1 REG(0x40011000u)
#define USART_BRR REG(0x4001100cu)
#define USART_ISR REG(0x4001101cu)
#define USART_ICR REG(0x40011020u)
#define USART_RDR REG(0x40011024u)
#define USART_TDR REG(0x40011028u)
#define RECEIVED (1u << 5)
#define TRANSMIT_EMPTY (1u << 7)
#define ERRORS 0xfu /* parity, framing, noise, overrun */

/* The core. */
#define SCB_CCR REG(0xe000ed14u)
#define SCB_VTOR REG(0xe000ed08u)
#define SCB_CCSIDR REG(0xe000ed80u)
#define SCB_CSSELR REG(0xe000ed84u)
#define SCB_ICIALLU REG(0xe000ef50u)
#define SCB_DCISW REG(0xe000ef60u)
#define CORE_DEMCR REG(0xe000edfcu)
#define DWT_CTRL REG(0xe0001000u)
#define DWT_CYCCNT REG(0xe0001004u)
#define DWT_LAR REG(0xe0001fb0u)
#define DWT_UNLOCK 0xc5acce55u

#define CLOCK_HZ 216000000u
#define USART_HZ (CLOCK_HZ / 2u) /* APB2 */
#define PATIENCE 1000000u        /* polls until a crystal counts as absent */

extern const uint32_t tt_vectors_low[];

static void barrier(void)
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

static void wait_for(volatile uint32_t *address, uint32_t mask, uint32_t value)
{
    while ((*address & mask) != value) {
    }
}

/* The input divider that makes 1 MHz, with the oscillator that is there. */
static uint32_t oscillator(void)
{
    RCC_CR |= HSE_ON;
    for (uint32_t i = 0; i < PATIENCE; i++)
        if (RCC_CR & HSE_READY)
            return 25u | 1u << 22; /* crystal, 25 MHz */
    RCC_CR &= ~HSE_ON;
    return 16u; /* internal, 16 MHz */
}

static void clocks(void)
{
    RCC_APB1ENR |= 1u << 28; /* power interface */
    (void)RCC_APB1ENR;
    PWR_CR1 |= 3u << 14; /* voltage scale 1 */

    /* 1 MHz * 432 / 2 = 216 MHz; 432 / 9 = 48 MHz for whoever needs it. */
    RCC_PLLCFGR = oscillator() | 432u << 6 | 0u << 16 | 9u << 24;
    RCC_CR |= PLL_ON;
    PWR_CR1 |= OVERDRIVE_ON;
    wait_for(&PWR_CSR1, OVERDRIVE_ON, OVERDRIVE_ON);
    PWR_CR1 |= OVERDRIVE_SWITCH;
    wait_for(&PWR_CSR1, OVERDRIVE_SWITCH, OVERDRIVE_SWITCH);
    wait_for(&RCC_CR, PLL_READY, PLL_READY);

    /* Code and constants are read at 0x08000000, through the caches. Prefetch and the ART accelerator serve only flash's other address, 0x00200000,
     * and stay off. */
    FLASH_ACR = 7u; /* wait states */
    wait_for(&FLASH_ACR, 15u, 7u);
    RCC_CFGR = 5u << 10 | 4u << 13; /* APB1 at a quarter, APB2 at half */
    RCC_CFGR |= 2u;                 /* system clock from the PLL */
    wait_for(&RCC_CFGR, 3u << 2, 2u << 2);
}

static void caches(void)
{
    barrier();
    SCB_ICIALLU = 0;
    barrier();
    SCB_CCR |= 1u << 17;
    SCB_CSSELR = 0; /* level 1, data */
    barrier();
    uint32_t size = SCB_CCSIDR, sets = (size >> 13 & 0x7fffu) + 1, ways = (size >> 3 & 0x3ffu) + 1;
    for (uint32_t set = 0; set < sets; set++)
        for (uint32_t way = 0; way < ways; way++)
            SCB_DCISW = set << 5 | way << 30;
    barrier();
    SCB_CCR |= 1u << 16;
    barrier();
}

static void serial(void)
{
    RCC_AHB1ENR |= 3u; /* ports A and B */
    RCC_APB2ENR |= 1u << 4;
    (void)RCC_APB2ENR;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 18)) | 2u << 18; /* PA9: alternate function 7 */
    GPIOA_OSPEEDR |= 2u << 18;
    GPIOA_AFRH = (GPIOA_AFRH & ~(15u << 4)) | 7u << 4;
    GPIOB_MODER = (GPIOB_MODER & ~(3u << 14)) | 2u << 14; /* PB7: the same, pulled up */
    GPIOB_PUPDR = (GPIOB_PUPDR & ~(3u << 14)) | 1u << 14;
    GPIOB_AFRL = (GPIOB_AFRL & ~(15u << 28)) | 7u << 28;
    USART_BRR = (USART_HZ + TT_BAUD / 2u) / TT_BAUD;
    USART_CR1 = 1u | 1u << 2 | 1u << 3; /* on, receive, transmit */
}

static void cycle_counter(void)
{
    CORE_DEMCR |= 1u << 24;
    DWT_LAR = DWT_UNLOCK;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}

void tt_board_init(void)
{
    SCB_VTOR = (uint32_t)(uintptr_t)tt_vectors_low;
    clocks();
    caches();
    serial();
    cycle_counter();
}

const char *tt_board_name(void)
{
    return "stm32f746";
}

uint32_t tt_board_clock_hz(void)
{
    return CLOCK_HZ;
}

uint32_t tt_board_clock(void)
{
    return DWT_CYCCNT;
}

/* The USART holds one byte: whoever reads must come by once in 10 bits' time. A byte lost shows as a wrong checksum of its frame. */
uint32_t tt_board_read(uint8_t *to, uint32_t most)
{
    uint32_t status = USART_ISR;
    (void)most;
    if (status & ERRORS)
        USART_ICR = ERRORS;
    if (!(status & RECEIVED))
        return 0;
    *to = (uint8_t)USART_RDR;
    return 1;
}

void tt_board_write(const uint8_t *bytes, uint32_t count)
{
    while (count--) {
        wait_for(&USART_ISR, TRANSMIT_EMPTY, TRANSMIT_EMPTY);
        USART_TDR = *bytes++;
    }
}
