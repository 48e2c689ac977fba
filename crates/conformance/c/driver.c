/* Runs the cases of a suite through the C kernels and compares every byte: outputs, inputs that must not change,
 * guards around both. The same program on the host (cases from a file, every buffer a malloc of its exact size for
 * AddressSanitizer to watch) and on the emulated board (cases loaded into memory, buffers between guard bytes). The
 * file's layout: `suite.rs`. */
#include "cases.h"
#include "port.h"
#include "tt_kernels.h"

#include <string.h>

#define BUFFERS 16

enum { ABSENT, INPUT, OUTPUT }; /* and scratch */

typedef struct {
    uint32_t kind, bytes;
    const uint8_t *given, *expected;
    uint8_t *at;
} buffer;

static buffer buffers[BUFFERS];
static int32_t scalars[32];

static tt_real31 real(const int32_t *s)
{
    tt_real31 r = {(uint32_t)s[0], s[1]};
    return r;
}

static tt_update update(const int32_t *s)
{
    tt_update u;
    u.params.exponent = s[0];
    u.params.bits = s[1];
    u.params.tensor = s[2];
    u.lr = real(s + 3);
    u.k = s[5];
    u.step = (uint32_t)s[6];
    u.seed = (uint32_t)s[7] | (uint64_t)(uint32_t)s[8] << 32;
    return u;
}

static tt_logit_scale logit_scale(const int32_t *s)
{
    tt_logit_scale r = {(uint32_t)s[0] | (uint64_t)(uint32_t)s[1] << 32, (uint32_t)s[2], (uint32_t)s[3], s[4]};
    return r;
}

#define B(i) ((void *)buffers[i].at)
/* Made from the kernel table: `names` and `run`. */
#include "dispatch.h"
#define KERNELS (sizeof names / sizeof names[0])

static void fail(const char *op, uint32_t index, const char *what, uint32_t where)
{
    port_print(op);
    port_print(" case ");
    port_print_number(index);
    port_print(": ");
    port_print(what);
    port_print(" at ");
    port_print_number(where);
    port_print("\n");
}

static uint32_t guard_broken(const uint8_t *p)
{
    for (uint32_t i = 0; i < port_guard; i++)
        if (p[i] != 0xa5)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    static uint32_t cases[KERNELS], wrong[KERNELS], deepest[KERNELS];
    uint32_t failures = 0;
    cursor = port_cases(argc, argv);
    if (!cursor || word() != 0x53435454u || word() != KERNELS) {
        port_print("not a suite\n");
        return 2;
    }
    uint32_t count = word();
    for (uint32_t index = 0; index < count; index++) {
        uint32_t op = word(), n = word(), bad = 0, reported = 0;
        for (uint32_t i = 0; i < n; i++)
            scalars[i] = (int32_t)word();
        uint32_t used = word(), expected = word();
        for (uint32_t i = 0; i < used; i++) {
            buffer *b = &buffers[i];
            b->kind = word();
            b->bytes = word();
            b->given = b->kind == INPUT || b->kind == OUTPUT ? bytes(b->bytes) : NULL;
            b->expected = b->kind == OUTPUT ? bytes(b->bytes) : b->given;
            b->at = NULL;
            if (b->kind == ABSENT)
                continue;
            uint8_t *block = port_take(b->bytes + 2 * port_guard);
            memset(block, 0xa5, b->bytes + 2 * port_guard);
            b->at = block + port_guard;
            if (b->given)
                memcpy(b->at, b->given, b->bytes);
        }
        port_paint();
        uint32_t result = run(op), depth = port_depth();
        deepest[op] = depth > deepest[op] ? depth : deepest[op];
        if (result != expected) {
            fail(names[op], index, "count", result);
            bad = 1;
        }
        for (uint32_t i = 0; i < used; i++) {
            const buffer *b = &buffers[i];
            if (b->kind == ABSENT)
                continue;
            if (b->expected) {
                for (uint32_t j = 0; j < b->bytes && !reported; j++) {
                    if (b->at[j] != b->expected[j]) {
                        port_print(b->kind == OUTPUT ? "output " : "input ");
                        port_print_number(i);
                        port_print(" of ");
                        fail(names[op], index, "byte", j);
                        reported = bad = 1;
                    }
                }
            }
            if (guard_broken(b->at - port_guard) || guard_broken(b->at + b->bytes)) {
                fail(names[op], index, "guard of buffer", i);
                bad = 1;
            }
        }
        for (uint32_t i = used; i-- > 0;)
            if (buffers[i].at)
                port_give(buffers[i].at - port_guard);
        cases[op]++;
        wrong[op] += bad;
        failures += bad;
    }
    for (uint32_t op = 0; op < KERNELS; op++) {
        port_print(names[op]);
        port_print(": ");
        port_print_number(cases[op]);
        port_print(" cases, ");
        port_print_number(wrong[op]);
        port_print(" wrong, stack ");
        port_print_number(deepest[op]);
        port_print("\n");
    }
    return failures != 0;
}
