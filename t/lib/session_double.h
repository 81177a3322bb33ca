/* SPDX-License-Identifier: MIT
 * See session_double.c. Link it before the library. */
#ifndef T_LIB_SESSION_DOUBLE_H
#define T_LIB_SESSION_DOUBLE_H

#include <stdatomic.h>

extern atomic_int session_double_listeners;
extern atomic_ullong session_double_after; /* of the newest one */
/* The newest listener hears `event` (text that begins with {"seq":n). On the loop's thread. */
void session_double_tell(void *event);

#endif
