/* The driver on the host. */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>

/* None: AddressSanitizer watches the exact size. */
const uint32_t port_guard = 0;

const uint8_t *port_cases(int argc, char **argv)
{
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    static uint8_t *data;
    data = size > 0 ? malloc((size_t)size) : NULL;
    if (data && fread(data, 1, (size_t)size, f) != (size_t)size)
        data = NULL;
    fclose(f);
    return data;
}

uint8_t *port_take(uint32_t bytes)
{
    uint8_t *block = malloc(bytes);
    if (!block && bytes)
        exit(3);
    return block;
}

void port_give(uint8_t *block)
{
    free(block);
}

void port_paint(void)
{
}

uint32_t port_depth(void)
{
    return 0;
}

void port_print(const char *text)
{
    fputs(text, stdout);
}

void port_print_number(uint32_t n)
{
    printf("%u", (unsigned)n);
}
