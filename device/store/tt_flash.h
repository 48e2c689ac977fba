/* What a board provides for tt_store: sectors of NOR flash that hold nothing but saved states. */
#ifndef TT_FLASH_H
#define TT_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Number of sectors, at least 2, and the bytes of each, a multiple of 4. */
uint32_t tt_flash_sectors(void);
uint32_t tt_flash_sector_bytes(void);

/* Sets all bits of a sector. Returns 0 when it is done. */
int32_t tt_flash_erase(uint32_t sector);

/* Clears the bits of a word at a multiple of 4 that are 0 in `word`. Returns 0 when it is done. tt_store programs each word once after an erase, except for 0,
 * which it may program over anything: flash with error correction must allow that (most does). */
int32_t tt_flash_program(uint32_t sector, uint32_t offset, uint32_t word);

/* Reads, past any cache that may hold older bytes. */
void tt_flash_read(uint32_t sector, uint32_t offset, void *to, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
