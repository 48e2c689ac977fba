/* A journal of whole records. Each sector is divided into places of one record; places are used in order, sectors in turn.
 *
 *   word 0    0 once the place was begun
 *   word 1    magic
 *   word 2    sequence number
 *   word 3    bytes of the saved state
 *   word 4    CRC-32 of words 1 to 3
 *   then      the saved state as of tt_save: program hash and CRC-32 are in it
 *   last      0 once the record is complete
 *
 * A word that power failed at may read differently each time. Only the first and the last of a record can be mistaken for what they are not: all others
 * are between a first word that is there and a last one that is not. Both are 0, which can be programmed again: a place that seems free is begun
 * again, and tt_store_open completes the newest record once more before it says that this is the newest.
 *
 * A sector is erased only when another one holds a completed record, and always before it is used, whatever seems to be in it. */
#include "tt_store.h"

#include <string.h>

#include "steps.h"
#include "tt_crc.h"
#include "tt_flash.h"

#define MAGIC 0x52545454u /* "TTTR" */
#define WORD 4u
#define HEADER (5u * WORD)
#define LAST (TT_STORE_RECORD_BYTES - WORD)
#define ERASED 0xffffffffu
#define HASH_AT 24u /* of the program hash in a saved state */
#define CHUNK 64u

_Static_assert(TT_STORE_RECORD_BYTES == HEADER + (TT_SAVED_BYTES + 3u) / 4u * 4u + WORD, "size of a record");

static uint32_t places(void)
{
    return tt_flash_sector_bytes() / TT_STORE_RECORD_BYTES;
}

static uint32_t word_at(uint32_t sector, uint32_t place, uint32_t offset)
{
    uint32_t word;
    tt_flash_read(sector, place * TT_STORE_RECORD_BYTES + offset, &word, sizeof word);
    return word;
}

static int32_t program(uint32_t sector, uint32_t place, uint32_t offset, uint32_t word)
{
    return tt_flash_program(sector, place * TT_STORE_RECORD_BYTES + offset, word);
}

/* Whether a place begins with a record; its sequence number. */
static int has_header(uint32_t sector, uint32_t place, uint32_t *sequence)
{
    uint32_t h[4];
    tt_flash_read(sector, place * TT_STORE_RECORD_BYTES + WORD, h, sizeof h);
    if (h[0] != MAGIC || h[3] != tt_crc32(0, h, 3 * WORD))
        return 0;
    *sequence = h[1];
    return 1;
}

/* Whether the saved state in a place is whole, and one of this program. */
static int is_whole(uint32_t sector, uint32_t place)
{
    uint8_t part[CHUNK];
    uint32_t at = place * TT_STORE_RECORD_BYTES + HEADER, left = TT_SAVED_BYTES - WORD, crc = 0, stored;
    if (word_at(sector, place, 3 * WORD) != TT_SAVED_BYTES)
        return 0;
    tt_flash_read(sector, at + HASH_AT, part, sizeof tt_program_hash);
    if (memcmp(part, tt_program_hash, sizeof tt_program_hash))
        return 0;
    while (left) {
        uint32_t n = left < CHUNK ? left : CHUNK;
        tt_flash_read(sector, at, part, n);
        crc = tt_crc32(crc, part, n);
        at += n;
        left -= n;
    }
    tt_flash_read(sector, at, &stored, sizeof stored);
    return stored == crc;
}

tt_status tt_store_open(tt_store *store)
{
    if (!store)
        return TT_E_ARGUMENT;
    uint32_t sectors = tt_flash_sectors(), count = places(), best = 0;
    if (sectors < 2 || count == 0)
        return TT_E_IO;
    memset(store, 0, sizeof *store);
    store->sector = sectors - 1;
    store->next = count;
    for (uint32_t sector = 0; sector < sectors; sector++)
        for (uint32_t place = 0; place < count; place++) {
            uint32_t sequence;
            if (!has_header(sector, place, &sequence))
                continue;
            if (sequence > store->sequence)
                store->sequence = sequence;
            if ((store->found && sequence <= best) || word_at(sector, place, LAST) == ERASED || !is_whole(sector, place))
                continue;
            store->found = 1;
            store->sector = sector;
            store->newest = place;
            best = sequence;
        }
    if (!store->found)
        return TT_OK;
    for (store->next = store->newest + 1; store->next < count && word_at(store->sector, store->next, 0) != ERASED; store->next++) {
    }
    return program(store->sector, store->newest, LAST, 0) ? TT_E_IO : TT_OK;
}

/* For tools, and not in any memory of the board: see the table at the end of model.c. */
#if defined(__arm__)
extern const uint32_t tt_linked_store[2];
__attribute__((section(".tinytrain"), used)) const uint32_t tt_linked_store[2] = {sizeof(tt_store), TT_STORE_RECORD_BYTES};
#endif

/* The place in flash that is written or read. */
typedef struct {
    uint32_t sector, at, word, have;
} cursor;

static int32_t put(void *user, const void *bytes, uint32_t count)
{
    cursor *to = user;
    const uint8_t *from = bytes;
    while (count--) {
        to->word |= (uint32_t)*from++ << 8 * to->have++;
        if (to->have < WORD)
            continue;
        if (tt_flash_program(to->sector, to->at, to->word))
            return -1;
        to->at += WORD;
        to->word = 0;
        to->have = 0;
    }
    return 0;
}

static int32_t get(void *user, void *bytes, uint32_t count)
{
    cursor *from = user;
    tt_flash_read(from->sector, from->at, bytes, count);
    from->at += count;
    return 0;
}

tt_status tt_store_load(tt_store *store, tt_context *tt)
{
    if (!store || !tt)
        return TT_E_ARGUMENT;
    if (!store->found)
        return TT_E_DATA;
    cursor from = {store->sector, store->newest * TT_STORE_RECORD_BYTES + HEADER, 0, 0};
    tt_status status = tt_load(tt, get, &from);
    store->steps = tt->counters.steps;
    return status;
}

/* Writes a record into a place where nothing was begun; returns whether it is there. */
static int write(uint32_t sector, uint32_t place, uint32_t sequence, const tt_context *tt)
{
    const uint32_t h[3] = {MAGIC, sequence, TT_SAVED_BYTES};
    static const uint8_t padding[WORD - 1] = {0};
    cursor to = {sector, place * TT_STORE_RECORD_BYTES + HEADER, 0, 0};
    if (program(sector, place, 0, 0))
        return 0;
    for (uint32_t i = 0; i < 3; i++)
        if (program(sector, place, WORD * (i + 1), h[i]))
            return 0;
    if (program(sector, place, 4 * WORD, tt_crc32(0, h, sizeof h)) || tt_save(tt, put, &to) != TT_OK ||
        (to.have && put(&to, padding, WORD - to.have)))
        return 0;
    uint32_t found;
    return has_header(sector, place, &found) && found == sequence && is_whole(sector, place) && !program(sector, place, LAST, 0);
}

tt_status tt_store_save(tt_store *store, const tt_context *tt)
{
    if (!store || !tt)
        return TT_E_ARGUMENT;
    uint32_t sectors = tt_flash_sectors(), count = places();
    store->steps = tt->counters.steps;
    /* A place that does not take its record is left behind: as many attempts as there are places. */
    for (uint32_t attempt = 0; attempt < sectors * count; attempt++) {
        uint32_t sector = store->sector, place = store->next;
        if (place >= count) {
            sector = (store->sector + 1) % sectors;
            place = 0;
            if (tt_flash_erase(sector))
                return TT_E_IO;
        }
        store->sequence++;
        if (write(sector, place, store->sequence, tt)) {
            store->sector = sector;
            store->newest = place;
            store->next = place + 1;
            store->found = 1;
            return TT_OK;
        }
        if (sector != store->sector)
            return TT_E_IO;
        store->next++;
    }
    return TT_E_IO;
}
