/* NOR flash for tt_store (tt_flash.h) on this computer: the file that TT_FLASH names, or memory that is gone when the program ends. */
#define _DEFAULT_SOURCE
#include "tt_flash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTORS 2u
#define SECTOR_BYTES (512u << 10)
#define BYTES (SECTORS * SECTOR_BYTES)

static uint8_t *at(uint32_t sector, uint32_t offset)
{
    static uint8_t *all;
    if (!all) {
        const char *name = getenv("TT_FLASH");
        int file = name ? open(name, O_RDWR | O_CREAT, 0666) : -1;
        if (name && (file < 0 || ftruncate(file, BYTES)))
            exit(1);
        all = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, name ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, file, 0);
        if (all == MAP_FAILED)
            exit(1);
    }
    return all + sector * SECTOR_BYTES + offset;
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
    memset(at(sector, 0), 0xff, SECTOR_BYTES);
    return 0;
}

int32_t tt_flash_program(uint32_t sector, uint32_t offset, uint32_t word)
{
    uint32_t old;
    memcpy(&old, at(sector, offset), sizeof old);
    old &= word;
    memcpy(at(sector, offset), &old, sizeof old);
    return 0;
}

void tt_flash_read(uint32_t sector, uint32_t offset, void *to, uint32_t bytes)
{
    memcpy(to, at(sector, offset), bytes);
}
