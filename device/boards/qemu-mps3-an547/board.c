/* QEMU's mps3-an547: an Arm MPS3 board with the AN547 image, a Cortex-M55. Addresses are those of the Secure aliases; the clock is 32 MHz. */
#define TT_MPS2_NAME "qemu-mps3-an547"
#define TT_MPS2_UART 0x59303000u
#define TT_MPS2_COUNTER 0x58100000u
#define TT_MPS2_HZ 32000000u
#include "tt_mps2.h"
