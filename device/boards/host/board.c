/* This computer in place of a board: stdin and stdout are the serial line. Ends when stdin does. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tt_board.h"

/* Milliseconds that a poll waits for bytes. */
#define PATIENCE 20

void tt_board_init(void)
{
}

const char *tt_board_name(void)
{
    return "host";
}

uint32_t tt_board_clock_hz(void)
{
    return 1000000;
}

uint32_t tt_board_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u);
}

uint32_t tt_board_read(uint8_t *to, uint32_t most)
{
    struct pollfd line = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&line, 1, PATIENCE) <= 0)
        return 0;
    ssize_t n = read(STDIN_FILENO, to, most);
    if (n <= 0)
        exit(0);
    return (uint32_t)n;
}

void tt_board_write(const uint8_t *bytes, uint32_t count)
{
    while (count) {
        ssize_t n = write(STDOUT_FILENO, bytes, count);
        if (n <= 0)
            exit(1);
        bytes += n;
        count -= (uint32_t)n;
    }
}

uint32_t tt_board_fault(uint32_t *place, uint32_t *cause)
{
    (void)place;
    (void)cause;
    return 0;
}

void tt_alive(void)
{
}

uint32_t tt_stack_reserved(void)
{
    return 0;
}

uint32_t tt_stack_painted(void)
{
    return 0;
}
