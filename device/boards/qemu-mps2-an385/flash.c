#include "tt_flash_model.h"
