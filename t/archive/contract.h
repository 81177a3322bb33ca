/* SPDX-License-Identifier: MIT
 * The parts of the archives' contract test that one archive alone is asked. */
#ifndef T_ARCHIVE_CONTRACT_H
#define T_ARCHIVE_CONTRACT_H

#include <stdio.h>
#include <string.h>

#include "t/archive/rig.h"

void retention(struct rig *r);
void jobs(struct rig *r);
void history(struct rig *r); /* contract_history.c, contract_users.c */
void history_plans(struct rig *r); /* of a server, afterwards */
void sessions(struct rig *r);
void services(struct rig *r);
void services_editors(struct rig *r);
void services_postgres(struct rig *r); /* what only a server can do */
void services_sqlite(struct rig *r);
void services_die(struct rig *r); /* the server is killed and comes back */
void sqlite_faults(struct rig *r);
void postgres_faults(struct rig *r); /* the last: the server dies in it and comes back */

#endif
