/* Flash of the STM32F746 for tt_store (tt_flash.h): two parts of 96 KB, which board.toml names and the linker keeps free. One consists of the chip's sectors
 * 1 to 3, the other one is the first three quarters of sector 4. Register names and numbers are those of ST's reference manual RM0385, chapter 3.
 *
 * There is one bank: while it is erased or programmed, whatever is fetched from it waits, interrupts included; to erase a part takes up to 2.4 seconds. Words of 32
 * bits are programmed, for which the supply must be 2.7 V or more. The interface is locked in between, so that a stray write changes nothing. */
#include "tt_flash.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define FLASH_KEYR REG(0x40023c04u)
#define FLASH_SR REG(0x40023c0cu)
#define FLASH_CR REG(0x40023c10u)
#define KEY_1 0x45670123u
#define KEY_2 0xcdef89abu
#define BUSY (1u << 16)
#define FAILED 0xf2u /* erase sequence, parallelism, alignment, write protection, operation: cleared by 1 */
#define PROGRAM 1u
#define ERASE (1u << 1)
#define NUMBER_AT 3u
#define WORDS (2u << 8) /* 32 bits at a time */
#define START (1u << 16)
#define LOCK (1u << 31)

#define SCB_DCIMVAC REG(0xe000ef5cu)
#define LINE 32u /* bytes of a line of the data cache */

/* Bytes of a part, and the chip's sectors that it consists of. */
#define PART_BYTES (96u << 10)
static const struct {
    uint8_t first, count;
} parts[] = {{1, 3}, {4, 1}};

/* From the linker script. */
extern const uint8_t tt_store_low[];

static uintptr_t address_of(uint32_t sector, uint32_t offset)
{
    return (uintptr_t)tt_store_low + sector * PART_BYTES + offset;
}

static void barrier(void)
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

static void wait(void)
{
    barrier();
    while (FLASH_SR & BUSY) {
    }
}

/* Unlocks the interface for an operation. */
static void begin(uint32_t operation)
{
    wait();
    if (FLASH_CR & LOCK) {
        FLASH_KEYR = KEY_1;
        FLASH_KEYR = KEY_2;
    }
    FLASH_SR = FAILED; /* of earlier operations */
    FLASH_CR = operation;
    barrier();
}

/* Waits for the end of the operation, and locks. Returns 0 when it is done. */
static int32_t end(void)
{
    wait();
    uint32_t failed = FLASH_SR & FAILED;
    FLASH_CR = LOCK;
    return failed ? -1 : 0;
}

uint32_t tt_flash_sectors(void)
{
    return sizeof parts / sizeof *parts;
}

uint32_t tt_flash_sector_bytes(void)
{
    return PART_BYTES;
}

int32_t tt_flash_erase(uint32_t sector)
{
    for (uint32_t i = 0; i < parts[sector].count; i++) {
        begin(ERASE | (uint32_t)(parts[sector].first + i) << NUMBER_AT | WORDS);
        FLASH_CR |= START;
        if (end())
            return -1;
    }
    return 0;
}

int32_t tt_flash_program(uint32_t sector, uint32_t offset, uint32_t word)
{
    begin(PROGRAM | WORDS);
    *(volatile uint32_t *)address_of(sector, offset) = word;
    return end();
}

/* The data cache may hold lines from before an erase, or what was meant to be programmed. It writes through here, so lines are dropped without loss. */
void tt_flash_read(uint32_t sector, uint32_t offset, void *to, uint32_t bytes)
{
    uintptr_t from = address_of(sector, offset);
    barrier();
    for (uintptr_t line = from & ~(uintptr_t)(LINE - 1); line < from + bytes; line += LINE)
        SCB_DCIMVAC = line;
    barrier();
    const volatile uint8_t *p = (const volatile uint8_t *)from;
    uint8_t *q = to;
    while (bytes--)
        *q++ = *p++;
}
