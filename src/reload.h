/* SPDX-License-Identifier: MIT
 * HUP and RELOAD: the configuration read anew while the program runs. All of it or, when it is invalid, nothing. */
#ifndef RELOAD_H
#define RELOAD_H

#include "settings.h"
#include "setup.h"

/* Zero it but for the first three. One a program. */
struct reload {
    struct setup *setup;
    struct settings *settings; /* the program's own, changed in place */
    /* What the program has besides (the HTTP side, duties): looks at the new settings, and takes them over when it has no objection. Called
     * before anything else has changed. NULL: nothing. */
    int (*also)(void *arg, const struct settings *fresh, struct err *e);
    void *arg;
    struct arena *arena; /* inside: of the settings that were read last; NULL: still the program's own */
};

/* Reads file and environment again, checks, takes over what reloads, logs the names of what changed and of what needs a restart. -1 with the
 * reason, which is logged too: everything stays as it was. The log's file is opened anew. `arg` is a struct reload, so that this is a
 * command's hook too. */
int reload_now(void *arg, struct err *e) MUST_CHECK;
/* At the program's end, after everything that may use settings. */
void reload_fini(struct reload *r);

#endif
