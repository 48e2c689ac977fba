/* Flips bits of a network's memory, one after the other, and requires that each is noticed: every bit of the trainable state, of its counters and of the schedule, and COUNT
 * bits at random of a saved state, of the constants and of the initial state.
 *
 *   flips COUNT
 *
 * Prints how many were flipped; a flip that is not noticed, or a state that was changed by one, ends it with exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "steps.h"

static tt_context network;
static uint8_t saved[TT_SAVED_BYTES];
static uint8_t sample[TT_INPUT_BYTES];
static uint64_t seed = 1;

static void require(int condition, const char *sentence)
{
    if (condition)
        return;
    printf("%s\n", sentence);
    exit(1);
}

static uint32_t drawn(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static int32_t put(void *user, const void *bytes, uint32_t count)
{
    uint8_t **to = user;
    memcpy(*to, bytes, count);
    *to += count;
    return 0;
}

static int32_t get(void *user, void *bytes, uint32_t count)
{
    const uint8_t **from = user;
    memcpy(bytes, *from, count);
    *from += count;
    return 0;
}

static tt_status save(void)
{
    uint8_t *to = saved;
    return tt_save(&network, put, &to);
}

static tt_status load(void)
{
    const uint8_t *from = saved;
    return tt_load(&network, get, &from);
}

static tt_status train(void)
{
    const tt_rates rates = {tt_rate_from_millionths(10000), tt_rate_from_millionths(10000)};
    tt_step_result found;
    return tt_train_step(&network, sample, TT_INT8, 1, &rates, &found);
}

/* Flips every bit of some memory of the network. */
static uint32_t flip_all(void *memory, size_t count)
{
    uint8_t *bytes = memory;
    static tt_state before;
    for (size_t i = 0; i < 8 * count; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        before = network.state;
        require(tt_check(&network) == TT_E_STATE, "a bit of the state was flipped, and it passes");
        require(train() == TT_E_STATE, "a state with a flipped bit is trained");
        require(save() == TT_E_STATE, "a state with a flipped bit is saved");
        require(!memcmp(&before, &network.state, sizeof before), "what was refused has changed the state");
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        require(tt_check(&network) == TT_OK, "the state is as it was, and does not pass");
    }
    return (uint32_t)(8 * count);
}

/* Flips bits of arrays in flash. */
static void flip_constants(const tt_span *spans, uint32_t count)
{
    uint32_t all = 0, page = (uint32_t)sysconf(_SC_PAGESIZE);
    for (const tt_span *span = spans; span->count; span++) {
        uintptr_t low = (uintptr_t)span->bytes / page * page, high = (uintptr_t)span->bytes + span->count;
        require(!mprotect((void *)low, high - low, PROT_READ | PROT_WRITE), "constants cannot be made writable");
        all += span->count;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = drawn(all), bit = drawn(8);
        const tt_span *span = spans;
        for (; at >= span->count; span++)
            at -= span->count;
        uint8_t *byte = (uint8_t *)(uintptr_t)span->bytes + at;
        *byte ^= (uint8_t)(1u << bit);
        require(tt_check_constants() == TT_E_CONSTANTS, "a bit of a constant was flipped, and it passes");
        *byte ^= (uint8_t)(1u << bit);
    }
    require(tt_check_constants() == TT_OK, "the constants are as they were, and do not pass");
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    require(tt_check(&network) == TT_E_STATE, "memory full of zeros is a state");
    tt_init(&network);
    for (uint32_t i = 0; i < TT_INPUT_BYTES; i++)
        sample[i] = (uint8_t)drawn(256);
    require(tt_check_constants() == TT_OK && train() == TT_OK && save() == TT_OK && load() == TT_OK, "the network does not work");
    uint32_t state = flip_all(&network.state, sizeof network.state) + flip_all(&network.counters.steps, 4) +
                     flip_all(&network.counters.saturated, 8) +
                     flip_all(&network.counters.schedule, sizeof network.counters.schedule) + flip_all(network.counters.seal, 8);
    tt_state before = network.state;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = drawn(8 * TT_SAVED_BYTES);
        saved[at / 8] ^= (uint8_t)(1u << at % 8);
        require(load() != TT_OK, "a saved state with a flipped bit is loaded");
        require(!memcmp(&before, &network.state, sizeof before) && tt_check(&network) == TT_OK, "what was refused has changed the state");
        saved[at / 8] ^= (uint8_t)(1u << at % 8);
    }
    require(load() == TT_OK, "the saved state is as it was, and is refused");
    flip_constants(tt_constants, count);
    flip_constants(tt_initial, count / 10);
    printf("state %u saved %u constants %u initial %u\n", state, count, count, count / 10);
    return 0;
}
