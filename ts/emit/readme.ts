import { thousands } from '../format.js';
import { libraryName } from './build.js';
import { type EmitInput, hasProduct, takesImages } from './input.js';

function memoryRows({ memory }: EmitInput, region: 'sram' | 'flash'): string {
  const rows = memory.items.filter(item => item.region === region);
  return rows.map(({ name, bytes }) => `| ${name} | ${thousands(bytes)} |`).join('\n');
}

const STORE_ROW = `| \`store/\` | what was learned in flash, proof against power cuts: saved by request and every \`make SAVE_EVERY=STEPS\`, or by \`tt_store.h\` |
`;

const CAMERA_ROW = `| \`camera/\` | frames of a camera as samples, cropped and scaled in integers: \`tt_camera.h\` |
`;

const seriesRow = (front: string | undefined) =>
  `| \`series/\` | raw values of a sensor as samples, windows of them from a ring: \`tt_series.h\`${front ? `; features of a sound: \`tt_${front}.h\`` : ''} |
`;

/** `README.md` */
export function readme(input: EmitInput): string {
  const { record, memory, target, version, classNames, series, store } = input;
  const [height, width, channels] = record.input.shape;
  return `# ${record.name}: firmware that keeps learning on the device

Made by tinytrain ${version}. Input ${height} x ${width} x ${channels}, ${classNames.length} classes, program \`${record.hash.slice(0, 16)}\`.

    make                      # build/${target}/firmware.elf, .bin and .hex; needs only arm-none-eabi-gcc with newlib
    make flash                # write it to the board
    cmake -B build-cmake && cmake --build build-cmake    # the same with CMake
    npx tinytrain run .       # in QEMU, compared with the host at every step

| file or folder | contents |
| --- | --- |
| \`app/\` | yours: \`main.c\` and the port${hasProduct(input) ? '; `product.c`, a product in small (`make APP=product`)' : ''}${series ? '; `sensor.c`, which takes raw values (`make APP=sensor`)' : ''}; written once, never overwritten |
| \`model/\` | generated: \`model.h\` (the interface), \`model.c\` (the steps), \`weights.c\` (flash), \`state.c\` (trainable state) |
| \`kernels/\` | the operations that this program uses |
| \`protocol/\` | requests over a serial port; CRC-32 |
${takesImages(input) ? CAMERA_ROW : ''}${series ? seriesRow(series.front?.name) : ''}${store ? STORE_ROW : ''}| \`board/\` | startup, clock, serial port and linker script of each board; \`board.mk\`, \`board.cmake\` and \`board.ld\` follow from \`board.toml\` |
| \`Makefile\` | builds the firmware |
| \`CMakeLists.txt\` | the same, and the library target \`${libraryName(input)}\` for a project of your own |
| \`program.ttp\` | the Program, which \`npx tinytrain run\` runs on the host |
| \`manifest.json\` | what this was made from, and the hash of every file that is not yours |
| \`README.md\` | this page |
| \`.gitignore\` | the folders of builds |

As a library in a CMake project of your own:

\`\`\`cmake
add_subdirectory(this-folder)
target_link_libraries(app PRIVATE ${libraryName(input)})
\`\`\`

It has the model, its kernels${takesImages(input) ? ', the camera' : ''}${series ? ', the series' : ''} and the protocol${store ? ', and the store' : ''}, compiled by the toolchain of your project with its flags; the linker takes what you call. The protocol
calls the functions of \`app/port.h\`${store ? ', the store those of `store/tt_flash.h`' : ''}. \`npx tinytrain compile --prefix NAME\` gives every global name of
them another beginning, so that several models fit into one image.

To use the network in your own application, include \`model.h\`:

\`\`\`c
static tt_context network;

tt_init(&network);
tt_predict(&network, sample, TT_RGB888, &predicted);
tt_begin_schedule(&network, 0.0128, 0.0016, 500); /* peaks of head and backbone, and steps, as \`npx tinytrain train\` finds them */
tt_train_step(&network, sample, TT_RGB888, label, NULL, &found);
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

The stack is reserved by the linker script at the bottom of SRAM. Its size is that of the deepest calls of the network, the protocol and the original
\`app/main.c\`, without interrupts. An application with deeper calls, or with calls from interrupts, needs more: \`make STACK_EXTRA=1024\`.
`;
}
