/*
 * The threads' notes of what they wait for.
 */
#include "lsm/base/waiting.h"

_Thread_local waiting_note waiting_here;
