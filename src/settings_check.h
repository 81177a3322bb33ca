/* SPDX-License-Identifier: MIT
 * What the table of settings cannot say: what belongs together. Private to settings*.c. */
#ifndef SETTINGS_CHECK_H
#define SETTINGS_CHECK_H

#include "settings.h"

#define DEFAULT_CONF SYSCONFDIR "/turnkeeper/turnkeeper.conf"
#define DEFAULT_STATE_FILE LOCALSTATEDIR "/lib/turnkeeper/state.db"
#define DEFAULT_RUN_DIR RUNSTATEDIR "/turnkeeper"
#define DEFAULT_SQL_DIR PKGDATADIR "/sql"

/* -1: *name is the setting that is wrong, and *e, which names it too, says how. */
int settings_check(const struct settings *s, const char **name, struct err *e) MUST_CHECK;

#endif
