# QEMU's mps2-an500, a Cortex-M7.
CROSS ?= arm-none-eabi-
CC := $(CROSS)gcc
BOARD_FLAGS := -mcpu=cortex-m7 -mthumb -mfloat-abi=soft
BOARD_FRAMES := yes
BOARD_SOURCES := board/common/start.c board/qemu-mps2-an500/board.c board/qemu-mps2-an500/vectors.c
BOARD_SCRIPTS := board/qemu-mps2-an500/board.ld board/common/sections.ld
BOARD_LINK = -nostartfiles -Wl,--gc-sections -Wl,--fatal-warnings -Wl,-Map=$(OUT)/firmware.map -Wl,--defsym=TT_STACK_EXTRA=$(STACK_EXTRA) \
    -Lmodel -Lboard/common -T board/qemu-mps2-an500/board.ld
BOARD_CHECK = @! $(CROSS)nm $(OUT)/firmware.elf | awk '{ print $$NF }' | grep -E '$(FORBIDDEN)' \
    || { echo 'error: the symbols above must not be linked' >&2; exit 1; }; \
    $(CROSS)objcopy -O binary $(OUT)/firmware.elf $(OUT)/firmware.bin; $(CROSS)size $(OUT)/firmware.elf
BOARD_FLASH = qemu-system-arm -M mps2-an500 -icount shift=8 -display none -monitor none -serial stdio -kernel $(OUT)/firmware.elf
