/* Cuts the power of tt_store at every operation on its flash.
 *
 *   cuts SECTORS PLACES SAVES SEED
 *
 * SAVES states are saved one after the other. Each save is repeated from the same flash once for every operation and every way in which that can break
 * off: before anything happened, after it was done, and in the middle. A word that broke off in the middle reads differently each time until it is
 * programmed again or erased; an erase that broke off leaves any bits of the sector. After each cut the flash is opened, again with a cut in every way;
 * then states are saved with a cut somewhere, until one is not cut. After each of these the state that is there must be whole, of this program,
 * and the last one saved, or one that was begun after it; and never older than one that was there before. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"
#include "tt_crc.h"
#include "tt_flash.h"
#include "tt_store.h"

#define MOST_WORDS 4096

enum way { BEFORE, AFTER, TORN, WAYS };

uint8_t tt_program_hash[32] = {1, 2, 3};

static uint32_t sectors, sector_bytes;

/* The flash, and the word that broke off: `torn` holds the bits that read at random. */
typedef struct {
    uint32_t words[MOST_WORDS], torn_at, torn;
} chip;

static chip flash;
static uint64_t random_state;
static uint32_t operations, cut_at = UINT32_MAX;
static enum way cut_way;
static jmp_buf power;
static unsigned long cuts, opened;

static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) ^ (uint32_t)(random_state >> 11);
}

static void fail(const char *why)
{
    fprintf(stderr, "%s, after %lu cuts\n", why, cuts);
    exit(1);
}

/* Whether power fails at this operation, and whether after it. */
static int cuts_now(void)
{
    return operations++ == cut_at;
}

static void die(void)
{
    cuts++;
    longjmp(power, 1);
}

uint32_t tt_flash_sectors(void)
{
    return sectors;
}

uint32_t tt_flash_sector_bytes(void)
{
    return sector_bytes;
}

int32_t tt_flash_erase(uint32_t sector)
{
    uint32_t count = sector_bytes / 4, first = sector * count;
    int now = cuts_now();
    if (now && cut_way == BEFORE)
        die();
    for (uint32_t i = first; i < first + count; i++)
        if (now && cut_way == TORN)
            flash.words[i] |= random32() & random32();
        else
            flash.words[i] = UINT32_MAX;
    if (now)
        die();
    if (flash.torn_at / count == sector)
        flash.torn = 0;
    return 0;
}

int32_t tt_flash_program(uint32_t sector, uint32_t offset, uint32_t word)
{
    uint32_t at = (sector * sector_bytes + offset) / 4;
    if (offset >= sector_bytes || offset % 4)
        fail("a word outside of its sector");
    if (word && (flash.words[at] != UINT32_MAX || (flash.torn && flash.torn_at == at)))
        fail("a word is programmed twice");
    int now = cuts_now();
    if (now && cut_way == BEFORE)
        die();
    if (now && cut_way == TORN) {
        flash.torn = flash.words[at] & ~word;
        flash.torn_at = at;
        die();
    }
    flash.words[at] &= word;
    if (flash.torn_at == at)
        flash.torn &= word;
    if (now)
        die();
    return 0;
}

void tt_flash_read(uint32_t sector, uint32_t offset, void *to, uint32_t bytes)
{
    uint8_t *p = to;
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t at = sector * sector_bytes + offset + i, word = flash.words[at / 4];
        if (flash.torn_at == at / 4)
            word &= ~(flash.torn & random32());
        p[i] = (uint8_t)(word >> 8 * (at % 4));
    }
}

/* A saved state as api.c writes it: header of 80 bytes with the program hash at 24, state, CRC-32. */
tt_status tt_save(const tt_context *tt, tt_write write, void *user)
{
    uint8_t header[80] = {0};
    memcpy(header + 24, tt_program_hash, 32);
    uint32_t crc = tt_crc32(tt_crc32(0, header, sizeof header), tt->state, TT_STATE_BYTES);
    return write(user, header, sizeof header) || write(user, tt->state, TT_STATE_BYTES) || write(user, &crc, 4) ? TT_E_IO : TT_OK;
}

tt_status tt_load(tt_context *tt, tt_read read, void *user)
{
    uint8_t saved[TT_SAVED_BYTES];
    uint32_t crc;
    if (read(user, saved, sizeof saved))
        return TT_E_IO;
    memcpy(&crc, saved + TT_SAVED_BYTES - 4, 4);
    if (crc != tt_crc32(0, saved, TT_SAVED_BYTES - 4))
        return TT_E_DATA;
    if (memcmp(saved + 24, tt_program_hash, 32))
        return TT_E_PROGRAM;
    memcpy(tt->state, saved + 80, TT_STATE_BYTES);
    return TT_OK;
}

/* State number `n`: any mixture of two of them shows. */
static tt_context state(uint32_t n)
{
    tt_context tt;
    uint32_t x = n * 2654435761u + 1;
    memcpy(tt.state, &n, 4);
    for (uint32_t i = 4; i < TT_STATE_BYTES; i++) {
        x = x * 1664525u + 1013904223u;
        tt.state[i] = (uint8_t)(x >> 24);
    }
    return tt;
}

static tt_store store;

/* Saves until power fails, at operation `at` if there is one; returns whether that was done before. */
static int save(const tt_context *tt, uint32_t at, enum way way)
{
    volatile int saved = 0;
    operations = 0;
    cut_at = at;
    cut_way = way;
    if (!setjmp(power))
        saved = tt_store_save(&store, tt) == TT_OK;
    cut_at = UINT32_MAX;
    return saved;
}

/* A reset whose first operation is cut. */
static void cut_reset(enum way way)
{
    operations = 0;
    cut_at = 0;
    cut_way = way;
    if (!setjmp(power))
        tt_store_open(&store);
    cut_at = UINT32_MAX;
}

/* The number of the state that is there after a reset, 0 if there is none; it lies between two others. */
static uint32_t reset(uint32_t least, uint32_t most)
{
    tt_context tt;
    uint32_t n = 0;
    memset(&store, 0xa5, sizeof store);
    if (tt_store_open(&store) != TT_OK)
        fail("the store cannot be opened");
    opened++;
    if (store.found) {
        if (tt_store_load(&store, &tt) != TT_OK)
            fail("the newest state cannot be loaded");
        memcpy(&n, tt.state, 4);
        tt_context whole = state(n);
        if (memcmp(whole.state, tt.state, sizeof tt.state))
            fail("states were mixed");
    }
    if (n < least)
        fail(n ? "an older state came back" : "the state was lost");
    if (n > most)
        fail("a state came from nowhere");
    return n;
}

/* What follows a cut of the save of state `n`: a reset, cut in one way or not at all; saves that are cut somewhere; one that is not. */
static void go_on(uint32_t n, enum way recovery)
{
    if (recovery < WAYS)
        cut_reset(recovery);
    uint32_t found = reset(n - 1, n);
    found = reset(found, n);
    for (uint32_t more = n + 1;; more++) {
        tt_context tt = state(more);
        int is_cut = random32() % 4 != 0;
        uint32_t at = is_cut ? random32() % (TT_STORE_RECORD_BYTES / 4 + 1) : UINT32_MAX;
        int saved = save(&tt, at, (enum way)(random32() % WAYS));
        found = reset(saved ? more : found, more);
        if (saved)
            break;
        if (!is_cut)
            fail("a state cannot be saved");
    }
}

static void every_cut(uint32_t n)
{
    const chip before = flash;
    const tt_store open = store;
    const tt_context tt = state(n);
    for (uint32_t at = 0;; at++) {
        int saved = 0;
        for (int way = 0; way < WAYS && !saved; way++)
            for (int recovery = 0; recovery <= WAYS && !saved; recovery++) {
                flash = before;
                store = open;
                saved = save(&tt, at, (enum way)way);
                if (!saved)
                    go_on(n, (enum way)recovery);
            }
        if (saved)
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    sectors = (uint32_t)atoi(argv[1]);
    sector_bytes = (uint32_t)atoi(argv[2]) * TT_STORE_RECORD_BYTES + 8;
    uint32_t saves = (uint32_t)atoi(argv[3]);
    random_state = (uint64_t)atoi(argv[4]);
    if (sectors * sector_bytes > sizeof flash.words)
        return 2;
    /* What another program left. */
    for (uint32_t i = 0; i < MOST_WORDS; i++)
        flash.words[i] = random32();
    tt_program_hash[0] ^= 1;
    reset(0, 0);
    for (uint32_t n = 1; n < 8; n++) {
        tt_context tt = state(n);
        if (tt_store_save(&store, &tt) != TT_OK)
            fail("the other program cannot save");
    }
    reset(7, 7);
    tt_program_hash[0] ^= 1;
    reset(0, 0);
    unsigned long turned = 0;
    for (uint32_t n = 1; n <= saves; n++) {
        every_cut(n);
        reset(n, n);
        if (store.newest == 0)
            turned++;
    }
    printf("saves %u cuts %lu resets %lu sectors filled %lu\n", saves, cuts, opened, turned);
    return 0;
}
