# This computer: for tests.
set(BOARD_FLAGS -DTT_IDLE_POLLS=2u)
set(BOARD_SOURCES board/host/board.c)
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/flash.c)
    list(APPEND BOARD_SOURCES board/host/flash.c)
endif()
set(BOARD_LINK)
