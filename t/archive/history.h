/* SPDX-License-Identifier: MIT
 * Calls of archive_history.h, one at a time, with copies of their answers in the rig's arena. */
#ifndef T_ARCHIVE_HISTORY_H
#define T_ARCHIVE_HISTORY_H

#include "archive/archive_history.h"
#include "t/archive/contract.h"

struct history_answer {
    struct rig *r;
    bool inside;
    int count;
    enum archive_status status;
    size_t n;
    const struct archive_exchange *exchanges;
    int64_t total;
    const bool *known;
    size_t known_n; /* that are asked about */
    const struct archive_user_session *sessions;
    const struct sv *ids;
    const struct archive_figure *figures;
    const struct archive_pair *pairs;
};
void history_start_page(struct rig *r, struct archive *a, struct history_answer *h, const struct archive_page *p);
void history_start_sessions(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, size_t max);
void history_start_ids(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, struct sv after, size_t max);
void history_start_figures(struct rig *r, struct archive *a, struct history_answer *h, struct sv from, struct sv to, bool users);
void history_start_figures_put(struct rig *r, struct archive *a, struct history_answer *h, const struct archive_figure *list, size_t n, int64_t read_ms);
void history_start_preferences(struct rig *r, struct archive *a, struct history_answer *h, struct sv user);
void history_start_preferences_put(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, const struct archive_pair *pairs, size_t n);
void history_wait(struct rig *r, const struct history_answer *h);

/* Ask r->a and wait. */
const struct history_answer *history_page(struct rig *r, const struct archive_page *p);
const struct history_answer *history_sessions(struct rig *r, const char *user, size_t max);

unsigned history_below(unsigned n); /* always the same numbers */
void history_users(struct rig *r);  /* contract_users.c: sessions, figures, preferences, and calls that end otherwise */

#endif
