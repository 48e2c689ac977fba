/* Reads the cases of a file: words, and bytes up to the next word. */
#ifndef CASES_H
#define CASES_H

#include <stdint.h>
#include <string.h>

static const uint8_t *cursor;

static uint32_t word(void)
{
    uint32_t v;
    memcpy(&v, cursor, 4);
    cursor += 4;
    return v;
}

static const uint8_t *bytes(uint32_t n)
{
    const uint8_t *p = cursor;
    cursor += (n + 3) & ~3u;
    return p;
}

#endif
