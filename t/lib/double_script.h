/* SPDX-License-Identifier: MIT
 * What the double shall do: the two halves of the script, as POST /control sets them. The fields are described in
 * double.c. */
#ifndef T_LIB_DOUBLE_SCRIPT_H
#define T_LIB_DOUBLE_SCRIPT_H

#include "lib/json.h"

enum ai_cut { AI_CUT_NONE, AI_CUT_BEFORE_READ, AI_CUT_AFTER_READ, AI_CUT_MID_ANSWER };
enum platform_mode {
    MODE_OK,
    MODE_FAIL_STATUS,
    MODE_SUCCESS_FALSE,
    MODE_CUT_BEFORE_APPLY,
    MODE_CUT_AFTER_APPLY,
    MODE_HANG,
    MODE_SLOW,
};

struct script_ai {
    int64_t delay_ms, status, fail_next, fail_status, retry_after, times;
    int cut; /* enum ai_cut */
    bool hang, wrap, chunked, keep;
    char *body, *text, *actions; /* owned; NULL: none */
};

struct script_platform {
    int64_t delay_ms, status, retry_after, actions_executed, slow_ms, times;
    int mode; /* enum platform_mode */
    bool apply;
    char *body;
};

struct script {
    struct script_ai ai;
    struct script_platform platform;
};

void script_init(struct script *s);
void script_fini(struct script *s);
/* to is initialised by this. */
void script_copy(struct script *to, const struct script *from);
/* Takes over the fields that `control` names; null restores one to its default. -1: unknown or wrong field, nothing
 * changed. */
int script_update(struct script *s, const json_t *control, struct err *e);
void script_render(const struct script *s, struct json_out *o);
/* One call was served: counts `times` down, and at its end the misbehaviour is over (delay_ms stays). */
void script_ai_used(struct script_ai *a);
void script_platform_used(struct script_platform *p);
const char *script_mode_name(int mode);

#endif
