/* In place of a network's header, for the test of tt_store: a state of a length that is no multiple of 4. */
#ifndef TT_MODEL_H
#define TT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define TT_STATE_BYTES 33
#define TT_SAVED_BYTES (TT_STATE_BYTES + 84)

typedef enum { TT_OK = 0, TT_E_ARGUMENT = 1, TT_E_IO = 5, TT_E_DATA = 6, TT_E_PROGRAM = 7 } tt_status;

typedef struct {
    uint8_t state[TT_STATE_BYTES];
    struct {
        uint32_t steps;
    } counters;
} tt_context;

typedef int32_t (*tt_write)(void *user, const void *bytes, uint32_t count);
typedef int32_t (*tt_read)(void *user, void *bytes, uint32_t count);
tt_status tt_save(const tt_context *tt, tt_write write, void *user);
tt_status tt_load(tt_context *tt, tt_read read, void *user);

#endif
