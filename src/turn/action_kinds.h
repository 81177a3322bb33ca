/* SPDX-License-Identifier: MIT
 * What types of action there are: one table, from which actions.c judges what an AI wants done and action_tools.c says what it may want. Nobody
 * else includes this. */
#ifndef TURN_ACTION_KINDS_H
#define TURN_ACTION_KINDS_H

#include "lib/json.h"

enum { ACTION_MESSAGE, ACTION_QUICK_REPLIES, ACTION_CAROUSEL, ACTION_TRANSFER, ACTION_COLLECT, ACTION_EXECUTE, ACTION_END, ACTION_KINDS };
enum { ACTION_FIELDS_MAX = 2 };

enum field_kind { FIELD_NONE, FIELD_TEXT, FIELD_LIST, FIELD_OBJECT };

struct action_field {
    const char *name;
    enum field_kind kind;
    const char *missing; /* the reason for which an action without it is dropped; NULL: it may be missing, and is not looked at */
    const char *purpose; /* for whoever writes actions */
    const char *items;   /* of a LIST: the JSON schema of one */
};

struct action_kind {
    const char *purpose;
    struct action_field fields[ACTION_FIELDS_MAX]; /* of `data` */
};

/* Named by action_types (actions.h), in the same order. */
extern const struct action_kind action_kinds[ACTION_KINDS];

/* -1: there is no such type. */
int action_index(struct sv type);
/* Why an action may not be executed, NULL: it may. index: -1 is an unknown type; data NULL: it has none. */
const char *action_fault_at(int index, const json_t *data);

#endif
