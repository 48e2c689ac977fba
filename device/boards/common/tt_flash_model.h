/* The functions of tt_flash.h on a board whose NOR flash is a part of RAM that an emulator keeps over a reset: bits are only ever cleared, and set by whole
 * sectors. board.toml says where the sectors lie. A board's flash.c includes this once. */
#include "tt_flash.h"

/* From the linker script; the last two are numbers, not addresses. */
extern volatile uint8_t tt_store_low[];
extern const uint8_t tt_store_sector_bytes[], tt_store_sectors[];

static volatile uint32_t *word_at(uint32_t sector, uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(tt_store_low + sector * tt_flash_sector_bytes() + offset);
}

uint32_t tt_flash_sectors(void)
{
    return (uint32_t)(uintptr_t)tt_store_sectors;
}

uint32_t tt_flash_sector_bytes(void)
{
    return (uint32_t)(uintptr_t)tt_store_sector_bytes;
}

int32_t tt_flash_erase(uint32_t sector)
{
    for (uint32_t offset = 0; offset < tt_flash_sector_bytes(); offset += 4)
        *word_at(sector, offset) = 0xffffffffu;
    return 0;
}

int32_t tt_flash_program(uint32_t sector, uint32_t offset, uint32_t word)
{
    *word_at(sector, offset) &= word;
    return 0;
}

void tt_flash_read(uint32_t sector, uint32_t offset, void *to, uint32_t bytes)
{
    const volatile uint8_t *from = (const volatile uint8_t *)word_at(sector, 0) + offset;
    uint8_t *p = to;
    while (bytes--)
        *p++ = *from++;
}
