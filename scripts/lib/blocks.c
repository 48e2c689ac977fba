/* A TCG plugin of QEMU 7 (plugin interface 1): how often each translated block ran between one call of a function and the next. scripts/costs.mjs
 * builds it and reads what it writes. The declarations are those of qemu-plugin.h, which Debian's package does not contain.
 *
 *   -plugin blocks.so,mark=ADDRESS,out=FILE
 *
 * At each call of the function at ADDRESS, and not at the end: a line "mark", then "ADDRESS INSTRUCTIONS COUNT" for each block that ran since the last. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

enum { MOST = 1 << 16 };
static struct {
    uint64_t address, instructions, count, written;
} blocks[MOST];
static size_t known;
static uint64_t mark;
static FILE *out;

static void write_marked(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    fprintf(out, "mark\n");
    for (size_t i = 0; i < known; i++) {
        if (blocks[i].count == blocks[i].written)
            continue;
        fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", blocks[i].address, blocks[i].instructions, blocks[i].count - blocks[i].written);
        blocks[i].written = blocks[i].count;
    }
    fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    uint64_t n = qemu_plugin_tb_n_insns(tb), address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    size_t i = 0;
    while (i < known && (blocks[i].address != address || blocks[i].instructions != n))
        i++;
    if (i == MOST) {
        fprintf(stderr, "blocks.c: more than %d blocks\n", MOST);
        exit(1);
    }
    if (i == known) {
        blocks[known].address = address;
        blocks[known++].instructions = n;
    }
    if (address == mark)
        qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, 0), write_marked, QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &blocks[i].count, 1);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "mark=", 5))
            mark = strtoull(argv[i] + 5, NULL, 0) & ~UINT64_C(1);
        else if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    }
    if (!out || !mark)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
