/* SPDX-License-Identifier: MIT
 * The rules of the statements are those of pg_sql.c: of each group of columns the newest word stands. */
#include "config.h"

#include "archive/lite_tasks.h"
#include "archive/session_entry.h"

int lite_write_state(struct lite *l, const struct item *item)
{
    const struct item_state *s = item->state;
    char id[37];

    item_uuid_format(s->id, id);
    const struct lite_arg args[] = {
        lite_s(sv_from(id)), lite_s(item->conversation_id), lite_i(item->at_ms),
        lite_s(s->status != NULL ? sv_from(s->status) : SV("active")), lite_i(s->status != NULL ? item->at_ms : -1),
        lite_i(s->has_check_reply ? s->check_reply : 1), s->until_ms >= 0 ? lite_i(s->until_ms) : lite_s(SV_NONE),
        lite_i(s->has_check_reply ? item->at_ms : -1),
    };
    const struct lite_arg bare[] = { args[0], args[1], args[2], lite_i(0) };

    if (lite_do(l, LITE_CONVERSATION, bare, ARRAY_LEN(bare)) != 0)
        return -1;
    return lite_do(l, LITE_STATE, args, ARRAY_LEN(args));
}

int lite_write_customer(struct lite *l, const struct item *item)
{
    const struct item_customer *c = item->customer;
    char id[37];

    item_uuid_format(c->id, id);
    const struct lite_arg row[] = { lite_s(sv_from(id)), lite_s(c->sender_id), lite_i(item->at_ms) };
    if (lite_do(l, LITE_CUSTOMER, row, ARRAY_LEN(row)) != 0)
        return -1;
    for (unsigned f = 0; f < ITEM_FIELDS; f++) {
        const struct lite_arg args[] = { lite_s(c->sender_id), lite_s(c->fields[f]), lite_i(item->at_ms), lite_s(c->source) };
        if (c->fields[f].p != NULL && lite_do(l, LITE_FIELD + f, args, ARRAY_LEN(args)) != 0)
            return -1;
    }
    return 0;
}

static int format_customer(struct arena *a, const struct sv *columns, struct sv *customer)
{
    if (columns[CUSTOMER_SENDER_ID].p == NULL)
        return 0;
    *customer = customer_entry_format(a, columns);
    return customer->p != NULL ? 0 : -1;
}

int lite_read_session(struct lite *l, struct arena *a, struct sv session_id, int64_t before_ms, struct sv *session, struct sv *customer)
{
    const struct lite_arg args[] = { lite_s(session_id), lite_i(before_ms) };
    struct sv columns[SESSION_COLUMNS];
    int rc = lite_ask(l, LITE_READ_SESSION, args, ARRAY_LEN(args));

    *session = *customer = SV_NONE;
    if (rc > 0) {
        for (int i = 0; i < SESSION_COLUMNS; i++)
            columns[i] = lite_value(l, LITE_READ_SESSION, i);
        *session = session_entry_format(a, columns);
        rc = session->p != NULL ? format_customer(a, columns + SESSION_CUSTOMER, customer) : -1;
    }
    lite_end(l, LITE_READ_SESSION);
    return rc;
}

int lite_read_customer(struct lite *l, struct arena *a, struct sv sender_id, struct sv *customer)
{
    const struct lite_arg arg = lite_s(sender_id);
    struct sv columns[CUSTOMER_COLUMNS];
    int rc = lite_ask(l, LITE_READ_CUSTOMER, &arg, 1);

    *customer = SV_NONE;
    if (rc > 0) {
        for (int i = 0; i < CUSTOMER_COLUMNS; i++)
            columns[i] = lite_value(l, LITE_READ_CUSTOMER, i);
        rc = format_customer(a, columns, customer);
    }
    lite_end(l, LITE_READ_CUSTOMER);
    return rc;
}
