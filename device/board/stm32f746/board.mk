# STM32F746, written for ST's Discovery board (32F746GDISCOVERY).
CROSS ?= arm-none-eabi-
CC := $(CROSS)gcc
BOARD_FLAGS := -mcpu=cortex-m7 -mthumb -mfloat-abi=soft
BOARD_FRAMES := yes
BOARD_SOURCES := board/common/start.c board/stm32f746/board.c board/stm32f746/vectors.c
BOARD_SCRIPTS := board/stm32f746/board.ld board/common/sections.ld
BOARD_LINK = -nostartfiles -Wl,--gc-sections -Wl,--fatal-warnings -Wl,-Map=$(OUT)/firmware.map -Wl,--defsym=TT_STACK_EXTRA=$(STACK_EXTRA) \
    -Lmodel -Lboard/common -T board/stm32f746/board.ld
BOARD_CHECK = @! $(CROSS)nm $(OUT)/firmware.elf | awk '{ print $$NF }' | grep -E '$(FORBIDDEN)' \
    || { echo 'error: the symbols above must not be linked' >&2; exit 1; }; \
    $(CROSS)objcopy -O binary $(OUT)/firmware.elf $(OUT)/firmware.bin; $(CROSS)size $(OUT)/firmware.elf
BOARD_FLASH = @if command -v openocd >/dev/null; then \
    openocd -f board/stm32f7discovery.cfg -c 'program $(OUT)/firmware.elf verify reset exit'; \
    elif command -v st-flash >/dev/null; then st-flash --reset write $(OUT)/firmware.bin 0x08000000; \
    else echo 'error: neither openocd nor st-flash was found; on Debian or Ubuntu: apt-get install openocd (or stlink-tools)' >&2; exit 1; fi
