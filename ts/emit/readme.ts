import { thousands } from '../format.js';
import type { EmitInput } from './input.js';

function memoryRows({ memory }: EmitInput, region: 'sram' | 'flash'): string {
  const rows = memory.items.filter(item => item.region === region);
  return rows.map(({ name, bytes }) => `| ${name} | ${thousands(bytes)} |`).join('\n');
}

/** `README.md` */
export function readme(input: EmitInput): string {
  const { record, memory, target, version, classNames } = input;
  const [height, width, channels] = record.input.shape;
  return `# ${record.name}: firmware that goes on learning

Made by tinytrain ${version}. Input ${height} x ${width} x ${channels}, ${classNames.length} classes, program \`${record.hash.slice(0, 16)}\`.

    make                      # build/${target}/firmware.elf; needs arm-none-eabi-gcc with newlib, nothing else
    make flash                # onto the board
    cmake -B build-cmake && cmake --build build-cmake    # the same with CMake
    npx tinytrain run .       # in QEMU, compared with the host at every step

| folder | holds |
| --- | --- |
| \`app/\` | yours: \`main.c\` and the port; written once, never overwritten |
| \`model/\` | generated: \`model.h\` (the interface), \`model.c\` (the steps), \`weights.c\` (flash), \`state.c\` (what is trained) |
| \`kernels/\` | the operations that this program uses |
| \`protocol/\` | requests over a serial line |
| \`board/\` | startup, clock, serial line and linker script of each board; \`board.mk\`, \`board.cmake\` and \`board.ld\` follow from \`board.toml\` |

To use the network in an application of your own, include \`model.h\`:

\`\`\`c
static tt_context network;

tt_init(&network);
tt_predict(&network, sample, TT_RGB888, &predicted);
tt_train_step(&network, sample, TT_RGB888, label, tt_rate_from_millionths(1600), &found);
\`\`\`

## Memory

| SRAM | bytes |
| --- | ---: |
${memoryRows(input, 'sram')}
| **all** | **${thousands(memory.sram.total)}** |

| flash (code: an upper bound) | bytes |
| --- | ---: |
${memoryRows(input, 'flash')}
| **all** | **${thousands(memory.flash.total)}** |

The stack is reserved by the linker script at the bottom of SRAM; it is what the deepest calls of the network, the protocol and \`app/main.c\` as it was
written need, without interrupts. An application that calls deeper, or from interrupts, adds to it: \`make STACK_EXTRA=1024\`.
`;
}
