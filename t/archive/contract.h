/* SPDX-License-Identifier: MIT
 * The parts of the archives' contract test that one archive alone is asked. */
#ifndef T_ARCHIVE_CONTRACT_H
#define T_ARCHIVE_CONTRACT_H

#include <stdio.h>
#include <string.h>

#include "t/archive/rig.h"

void retention(struct rig *r);
void sqlite_faults(struct rig *r);
void postgres_faults(struct rig *r); /* the last: the server dies in it and comes back */

#endif
