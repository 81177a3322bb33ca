/* SPDX-License-Identifier: MIT
 * Calls about the configuration of bots, one at a time with its answer, and what stands in a row. */
#ifndef T_ARCHIVE_SERVICES_H
#define T_ARCHIVE_SERVICES_H

#include "t/archive/rig.h"

/* One answer of archive_services. */
struct polled {
    struct rig *r;
    int count;
    enum archive_status status;
    struct archive_services s; /* rows are copies */
};
/* One answer of archive_edit. */
struct edited {
    struct rig *r;
    int count;
    enum archive_status status;
    enum archive_edited edited;
    struct sv row; /* a copy */
};

void services_start_poll(struct rig *r, struct archive *a, struct polled *p, int64_t known);
void services_start_edit(struct rig *r, struct archive *a, struct edited *w, const struct archive_edit *edit);
/* On r->a, answered. */
struct polled services_poll(struct rig *r, int64_t known);
struct edited services_insert(struct rig *r, enum archive_service service, const char *row);
struct edited services_replace(struct rig *r, enum archive_service service, const char *name, const char *row, int64_t version);
struct edited services_delete(struct rig *r, enum archive_service service, const char *name, int64_t version);
void services_wait(struct rig *r, const int *count); /* until it is not 0 */

/* A member of a row as JSON text; "" when it is not there. */
const char *services_at(struct rig *r, struct sv row, const char *member);
int64_t services_number(struct sv row, const char *member);
/* The row of that name in a poll; SV_NONE. */
struct sv services_row(const struct polled *p, enum archive_service service, const char *name);

#endif
