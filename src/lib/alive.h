/* SPDX-License-Identifier: MIT
 * Tells a dead process from a paused one. Each process holds a kernel lock (open file description lock, fcntl(2) F_OFD_SETLK)
 * on a file of its own in a directory of the host; a SIGKILL releases it at once, a SIGSTOP does not. */
#ifndef LIB_ALIVE_H
#define LIB_ALIVE_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"

struct alive;

/* Makes `dir` (0700) when it is not there, and the locked file dir/<name>. Name: "<host-id>.<pid>.<random>", alive_name() gives it.
 * The host id is from /etc/machine-id (hashed) or the host's name. */
struct alive *alive_open(const char *dir, struct err *e) MUST_CHECK;
const char *alive_name(const struct alive *a);
/* True only when `name` belongs to this host and its process is proved dead. Removes its file then. A name that is not sane
 * (other characters than [A-Za-z0-9.-]) is never looked up. */
bool alive_is_dead(struct alive *a, const char *name);
/* fn for every live process of this directory, this one among them, in no order; removes files of dead ones. The number of them. */
typedef void alive_fn(void *arg, const char *name, long pid);
size_t alive_each(struct alive *a, alive_fn *fn, void *arg);
/* Removes files of dead processes. */
void alive_tidy(struct alive *a);
void alive_close(struct alive *a); /* removes the own file */

#endif
