/* The replay buffer: which samples it keeps, and which of them is trained on again. The rules, and why, are in crates/spec/src/replay.rs; these functions make
 * the same choices. A tag that is neither 0 nor that of a class is never drawn. */
#include <string.h>

#include "steps.h"
#include "tt_spec.h"

/* The generator's tensor number, and the indices under its key. */
#define REPLAY_TENSOR 0xfffffffbu
#define KEEP 0u
#define PLACE 1u
#define AGAIN 2u

/* Places of a class. */
static uint32_t places(const tt_state *s, uint32_t class)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < TT_REPLAY_PLACES; i++)
        n += s->replay_tags[i] == class + 1;
    return n;
}

/* Place number `n` of a class, which has more. */
static uint32_t place_of(const tt_state *s, uint32_t class, uint32_t n)
{
    uint32_t i = 0;
    while (s->replay_tags[i] != class + 1 || n--)
        i++;
    return i;
}

/* A number below `n` from a random one. */
static uint32_t below(uint64_t draw, uint32_t n)
{
    return (uint32_t)((draw >> 32) * n >> 32);
}

static uint64_t key_of(const tt_context *tt)
{
    return tt_key(TT_SEED, tt->counters.steps, REPLAY_TENSOR);
}

/* The place of a new sample; TT_REPLAY_PLACES if it is not kept. */
static uint32_t place_for(const tt_context *tt, uint32_t label)
{
    const tt_state *s = &tt->state;
    for (uint32_t i = 0; i < TT_REPLAY_PLACES; i++)
        if (s->replay_tags[i] == 0)
            return i;
    uint32_t largest = 0, most = 0;
    for (uint32_t class = 0; class < TT_CLASSES; class++) {
        uint32_t n = places(s, class);
        if (n > most) {
            largest = class;
            most = n;
        }
    }
    const uint64_t key = key_of(tt);
    const uint32_t own = places(s, label);
    if (own < most)
        return place_of(s, largest, below(tt_draw(key, PLACE), most));
    if (below(tt_draw(key, KEEP), s->replay_counts[label]) >= own)
        return TT_REPLAY_PLACES;
    return place_of(s, label, below(tt_draw(key, PLACE), own));
}

TT_PART void tt_replay_keep(tt_context *tt, uint32_t label)
{
    tt_state *s = &tt->state;
    s->replay_counts[label] += s->replay_counts[label] != UINT32_MAX;
    uint32_t place = place_for(tt, label);
    if (place == TT_REPLAY_PLACES)
        return;
    s->replay_tags[place] = (uint16_t)(label + 1);
    int8_t *to = s->replay_samples + place * TT_REPLAY_BYTES;
    for (uint32_t i = 0; i < tt_replay_live_count; to += tt_replay_live[i++].bytes)
        memcpy(to, tt->arena + tt_replay_live[i].offset, tt_replay_live[i].bytes);
}

TT_PART int tt_replay_recall(tt_context *tt, uint32_t *label)
{
    const tt_state *s = &tt->state;
    const uint32_t *last = s->replay_counts + TT_CLASSES;
    uint32_t oldest = TT_CLASSES;
    for (uint32_t class = 0; class < TT_CLASSES; class++)
        if (places(s, class) && (oldest == TT_CLASSES || last[class] < last[oldest]))
            oldest = class;
    if (oldest == TT_CLASSES)
        return 0;
    *label = oldest;
    uint32_t place = place_of(s, oldest, below(tt_draw(key_of(tt), AGAIN), places(s, oldest)));
    const int8_t *from = s->replay_samples + place * TT_REPLAY_BYTES;
    for (uint32_t i = 0; i < tt_replay_live_count; from += tt_replay_live[i++].bytes)
        memcpy(tt->arena + tt_replay_live[i].offset, from, tt_replay_live[i].bytes);
    return 1;
}

void tt_replay_trained(tt_context *tt, uint32_t label)
{
    uint32_t *last = tt->state.replay_counts + TT_CLASSES, latest = 0;
    for (uint32_t class = 0; class < TT_CLASSES; class++)
        latest = last[class] > latest ? last[class] : latest;
    last[label] = latest + (latest != UINT32_MAX);
}
