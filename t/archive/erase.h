/* SPDX-License-Identifier: MIT
 * Calls of the archive that erase and export, with copies of their answers in the rig's arena; items with times of their own; and looking for a text
 * everywhere an archive could have it. */
#ifndef T_ARCHIVE_ERASE_H
#define T_ARCHIVE_ERASE_H

#include "archive/archive_history.h"
#include "t/archive/rig.h"

#define CANARY "zq7-canary"

struct erased {
    struct rig *r;
    bool inside;
    int count;
    enum archive_status status;
    struct sv tables; /* "messages 3, message_actions 2 ...", those of which nothing went left out */
    struct sv id;
    struct sv messages, jobs; /* ids, sorted, by commas */
};
void erase_start(struct rig *r, struct archive *a, struct erased *e, enum archive_subject subject, const char *id, int64_t at);
void erase_wait(struct rig *r, const struct erased *e);
/* Of r->a, at RIG_NOW + at. */
struct erased erase(struct rig *r, enum archive_subject subject, const char *id, int64_t at);
struct erased erase_ids(struct rig *r, const char *session, int64_t at);
enum archive_status erase_receipt(struct rig *r, struct sv id, const char *counts);
enum archive_status erase_figures(struct rig *r, const struct archive_figure *list, size_t n, int64_t read);
enum archive_status erase_preference(struct rig *r, const char *user, const char *key, const char *value);

/* A message of a user, received at RIG_NOW + received, as save_message. */
struct sv erase_message(struct rig *r, const char *conversation, const char *message, const char *sender, int64_t received);
struct sv erase_item(struct rig *r, const char *conversation, const char *user, int64_t at); /* either may be NULL */
struct sv erase_customer(struct rig *r, const char *conversation, const char *sender, const char *name, const char *phone, int64_t at);
struct sv erase_state(struct rig *r, const char *conversation, const char *status, int64_t at);

/* How often `text` is in a dump of the database, or in the file and those beside it. -1: no program makes a dump here. */
long erase_find(struct rig *r, const char *text);

void erase_rules(struct rig *r);  /* contract_erase.c */
void erase_exports(struct rig *r); /* contract_export.c */

#endif
