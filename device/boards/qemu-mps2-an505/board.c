/* QEMU's mps2-an505: an Arm MPS2+ board with the AN505 image, a Cortex-M33. Addresses are those of the Secure aliases; the clock is 20 MHz. */
#define TT_MPS2_NAME "qemu-mps2-an505"
#define TT_MPS2_UART 0x50200000u
#define TT_MPS2_TIMER 0x50000000u
#define TT_MPS2_HZ 20000000u
#include "tt_mps2.h"
