# STM32F746, written for ST's Discovery board (32F746GDISCOVERY).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(BOARD_FLAGS -mcpu=cortex-m7 -mthumb -mfloat-abi=soft)
set(BOARD_FRAMES yes)
set(BOARD_SOURCES board/common/start.c board/stm32f746/board.c board/stm32f746/vectors.c)
set(BOARD_LINK -nostartfiles -Wl,--gc-sections -Wl,--fatal-warnings -Wl,-Map=firmware.map -Wl,--defsym=TT_STACK_EXTRA=${STACK_EXTRA}
    -L${CMAKE_CURRENT_SOURCE_DIR}/model -L${CMAKE_CURRENT_SOURCE_DIR}/board/common -T ${CMAKE_CURRENT_SOURCE_DIR}/board/stm32f746/board.ld)
