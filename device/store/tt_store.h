/* The trained state in flash, proof against power cuts: docs/store.md says how, and what was tested. */
#ifndef TT_STORE_H
#define TT_STORE_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that a saved state takes in flash; whole records lie in a sector. */
#define TT_STORE_RECORD_BYTES (24u + (TT_SAVED_BYTES + 3u) / 4u * 4u)

typedef struct {
    uint32_t sector;   /* where the newest state lies, or the last sector if there is none */
    uint32_t newest;   /* its place in the sector */
    uint32_t next;     /* the first place in the sector where nothing was begun */
    uint32_t sequence; /* the highest number that any record has */
    uint32_t found;    /* whether there is a state */
    uint32_t steps;    /* training steps of the state that was last loaded or to be saved */
} tt_store;

/* Finds the newest state of this program. Call it after each reset, before anything else. TT_E_IO: the flash failed, or a record does not fit its sectors. */
tt_status tt_store_open(tt_store *store);

/* Loads the newest state; TT_E_DATA, with nothing changed, if there is none. */
tt_status tt_store_load(tt_store *store, tt_context *tt);

/* Saves the state. With TT_OK it is what every later tt_store_open finds; where power fails before, that is this state or the one before it. */
tt_status tt_store_save(tt_store *store, const tt_context *tt);

#ifdef __cplusplus
}
#endif

#endif
