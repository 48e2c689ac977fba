/* In place of the header between api.c and model.c. */
#include "model.h"

extern uint8_t tt_program_hash[32];
