# This computer: for tests.
set(BOARD_FLAGS -DTT_IDLE_POLLS=2u)
set(BOARD_SOURCES board/host/board.c)
set(BOARD_LINK)
