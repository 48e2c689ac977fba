/* NOR flash for tt_store (tt_flash.h) as a part of PSRAM, which QEMU keeps over a reset: bits are only ever cleared, and set by sectors. */
#include "tt_flash.h"

#define SECTORS 2u
#define SECTOR_BYTES (512u << 10)
#define BASE 0x60100000u

static volatile uint32_t *word_at(uint32_t sector, uint32_t offset)
{
    return (volatile uint32_t *)(BASE + sector * SECTOR_BYTES + offset);
}

uint32_t tt_flash_sectors(void)
{
    return SECTORS;
}

uint32_t tt_flash_sector_bytes(void)
{
    return SECTOR_BYTES;
}

int32_t tt_flash_erase(uint32_t sector)
{
    for (uint32_t offset = 0; offset < SECTOR_BYTES; offset += 4)
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
