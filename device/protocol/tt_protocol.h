/* The protocol of docs/protocol.md: framed requests and replies over any byte stream, processed by polling. */
#ifndef TT_PROTOCOL_H
#define TT_PROTOCOL_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TT_PROTOCOL_VERSION 3u

/* This number of polls without a byte ends an incomplete frame. */
#ifndef TT_IDLE_POLLS
#define TT_IDLE_POLLS 4000000u
#endif

/* Requests; a reply has the same number + 0x80. */
enum {
    TT_IDENTIFY = 1,
    TT_PREDICT = 2,
    TT_TRAIN = 3,
    TT_SAVE = 4,
    TT_LOAD = 5,
    TT_COUNTERS = 6,
    TT_RESET = 7,
    TT_ROW = 8,
    TT_CHECK = 9,
    TT_SCHEDULE = 10,
    TT_STEP = 11,
    TT_REPLAY_STEP = 12,
    TT_KEEP = 0x10,
    TT_REPLY = 0x80,
    TT_ERROR = 0xff
};

/* Errors in a frame; an error reply may also contain a tt_status. */
enum {
    TT_E_GARBAGE = 64,  /* bytes that are not a frame; detail: their number */
    TT_E_TIMEOUT = 65,  /* incomplete frame; detail: number of missing bytes */
    TT_E_CHECKSUM = 66, /* the CRC-32 of the payload does not match */
    TT_E_VERSION = 67,  /* detail: the supported version */
    TT_E_TYPE = 68,     /* no such request */
    TT_E_LENGTH = 69    /* the payload is too long or too short; detail: the required length, or the longest allowed */
};

/* The state of one connection. */
typedef struct {
    uint8_t header[16];
    uint32_t have;    /* bytes of `header` */
    uint32_t dropped; /* bytes skipped since the last frame */
    uint32_t quiet;   /* they belong to a frame that has already been rejected */
    uint32_t sequence, type, left;
    uint32_t crc;                            /* of what is being sent or received */
    uint32_t refused;                        /* error replies so far */
    uint32_t constants;                      /* tt_check_constants, as last called; while it is not TT_OK nothing is predicted, trained or saved */
    uint32_t restored;                       /* how often the application put the state back after tt_check had found it changed */
    uint32_t inference_clock, train_clock;   /* the last inference and the last training step; of rows that have come in, the inference so far */
} tt_protocol;

void tt_protocol_init(tt_protocol *line);

/* The application's: puts the trained state back after tt_check has found it changed: from where it was saved, or with tt_init. */
void tt_protocol_restore(tt_context *tt);

#ifdef TT_STORE
/* The application's: saves the trained state where it survives a reset; what the request `keep` asks for. */
tt_status tt_protocol_keep(const tt_context *tt);
#endif

/* Processes at most one frame. Returns immediately if nothing has arrived, and waits for the rest of a frame that has begun. */
void tt_protocol_poll(tt_protocol *line, tt_context *tt);

#ifdef __cplusplus
}
#endif

#endif
