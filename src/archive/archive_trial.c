/* SPDX-License-Identifier: MIT
 * The items are made of text, as others are, so that they are always whole. */
#include "config.h"

#include "archive/archive_trial.h"

#define NAME "turnkeeper: a trial"
#define CONTENT_BYTES 4096 /* more than goes into one packet */

static int make(struct arena *a, struct sv text, struct item *out)
{
    struct err e = { 0 };

    return text.p != NULL && item_parse(a, text, out, &e) == 0 ? 0 : -1;
}

int trial_items(struct arena *a, const struct item *like, struct item out[TRIAL_ITEMS])
{
    struct sv turn = arena_printf(a, "{\"type\":\"turn\",\"conversation_id\":\"" NAME "\",\"turn_id\":\"00000000-0000-7000-8000-000000000000\","
                                     "\"status\":\"completed\",\"at\":0,\"job\":{},\"reply\":{},\"actions\":[{\"status\":\"proposed\"}],\"messages\":[{"
                                     "\"message_id\":\"" NAME "\",\"sender_id\":\"" NAME "\",\"sender_type\":\"user\",\"timestamp\":0,"
                                     "\"content\":\"%0*d\"}]}", CONTENT_BYTES, 0);

    if (make(a, turn, &out[0]) != 0 ||
        make(a, SV("{\"type\":\"update_session_status\",\"session_id\":\"" NAME "\",\"at\":0,\"status\":\"active\",\"check_reply\":true}"), &out[1]) != 0 ||
        make(a, SV("{\"type\":\"extract_customer_info\",\"session_id\":\"" NAME "\",\"sender_id\":\"" NAME "\",\"at\":0,"
                   "\"entities\":{\"name\":\"" NAME "\"}}"), &out[2]) != 0)
        return -1;
    for (size_t i = 0; like != NULL && i < TRIAL_ITEMS; i++)
        out[i].conversation_id = like->conversation_id;
    if (like != NULL && like->customer != NULL) {
        struct item_customer *c = arena_alloc(a, sizeof(*c));
        if (c == NULL)
            return -1;
        *c = *out[2].customer;
        c->sender_id = like->customer->sender_id;
        out[2].customer = c;
    }
    return 0;
}
