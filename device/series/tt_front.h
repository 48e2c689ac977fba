/* The front end of a firmware for sounds under one name, whichever it is: tt_mel.h or tt_micro.h. TT_FRONT is defined if there is one. */
#ifndef TT_FRONT_H
#define TT_FRONT_H

#include "model.h"

#if defined(TT_MEL_CHANNELS)
#include "tt_mel.h"
#define TT_FRONT
typedef tt_mel tt_front;
#define tt_front_begin tt_mel_begin
#define tt_front_push tt_mel_push
#elif defined(TT_MICRO_CHANNELS)
#include "tt_micro.h"
#define TT_FRONT
typedef tt_micro tt_front;
#define tt_front_begin tt_micro_begin
#define tt_front_push tt_micro_push
#endif

#endif
