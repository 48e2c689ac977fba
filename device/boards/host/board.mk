# This computer: the same sources, under sanitizers, with the protocol over stdin and stdout. Not a simulation of a board: for tests.
, := ,
CC := cc
BOARD_FLAGS := -O1 -fsanitize=undefined,address -fno-sanitize-recover=all -fno-omit-frame-pointer -DTT_IDLE_POLLS=2u
BOARD_SOURCES := board/host/board.c $(wildcard board/host/flash.c)
BOARD_SCRIPTS :=
# As on a board, what is not called is not linked: an application may do without the protocol.
BOARD_LINK := $(if $(filter Darwin,$(shell uname -s)),-Wl$(,)-dead_strip,-Wl$(,)--gc-sections)
BOARD_CHECK = @:
BOARD_FLASH = @echo 'error: there is nothing to flash' >&2; exit 1
KERNEL_FLAGS := -O2
