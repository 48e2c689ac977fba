/* QEMU's mps2-an500: an Arm MPS2 board with the AN500 image, a Cortex-M7. */
#define TT_MPS2_NAME "qemu-mps2-an500"
#define TT_MPS2_UART 0x40004000u
#define TT_MPS2_TIMER 0x40000000u
#define TT_MPS2_HZ 25000000u
#include "tt_mps2.h"
