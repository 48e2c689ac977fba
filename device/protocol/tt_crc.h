/* CRC-32 as in Ethernet, zlib and PNG: polynomial 0x04c11db7 reflected, inverted at both ends. */
#ifndef TT_CRC_H
#define TT_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (initially 0) over `count` bytes. */
uint32_t tt_crc32(uint32_t crc, const void *bytes, size_t count);

#endif
