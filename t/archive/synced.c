/* SPDX-License-Identifier: MIT
 * Items of exchanges that were made elsewhere: what orders them, and what they may replace. */
#include "config.h"

#include "archive/archive_history.h"
#include "archive/archive_item.h"
#include "t/tap.h"

/* The first message of a turn with that fence, with more members. NULL: it is refused. */
static const struct item *read_turn(struct arena *a, const char *timestamp, const char *more)
{
    struct item *item = arena_alloc(a, sizeof(*item));
    struct err e = { 0 };
    struct sv text = arena_printf(a, "{\"type\":\"turn\",\"conversation_id\":\"c\",\"turn_id\":\"01890000-0000-7000-8000-000000000001\",\"status\":\"completed\","
                                     "\"at\":1760000000000,\"fence\":9,\"reply\":{\"response_text\":\"r\"},\"messages\":[{\"message_id\":\"m\",\"content\":\"\","
                                     "\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":%s,\"received\":1760000000000,\"seq\":3}]%s}", timestamp, more);
    return item != NULL && item_parse(a, text, item, &e) == 0 ? item : NULL;
}

int main(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    const struct item *plain = read_turn(a, "1500000000000", ",\"synced\":false"), *synced = read_turn(a, "1500000000000", ",\"synced\":true");
    unsigned char id[16];
    char text[37];

    if (plain == NULL || synced == NULL)
        bail_out("an item is not one");
    is_int(plain->messages[0].order_ms, 1760000000000 - 30 * INT64_C(86400000), "what is not synced counts 30 days back at most");
    ok(!plain->synced && plain->fence == 9 && !plain->said, "and is as it says");
    is_int(synced->messages[0].order_ms, 1500000000000, "what is synced counts as of its own time");
    is_int(synced->messages[0].timestamp_ms, 1500000000000, "which is shown");
    is_int(synced->fence, 0, "its fence is 0, whatever it says");
    ok(synced->said, "its reply was said");
    is_int(read_turn(a, "1860000000000", ",\"synced\":true")->messages[0].order_ms, 1760000300000, "but 5 minutes ahead at most");
    is_int(read_turn(a, "-5", ",\"synced\":true")->messages[0].order_ms, 0, "and not before 1970");
    ok(!read_turn(a, "1500000000000", ",\"synced\":null")->synced, "null is not synced");
    ok(read_turn(a, "1500000000000", ",\"synced\":1") == NULL, "a number is refused");
    archive_message_uuid(SV("c"), SV("m"), 1500000000000, 1760000000000, 3, true, id);
    ok(memcmp(id, synced->messages[0].id, 16) == 0, "the id can be told beforehand");
    archive_message_uuid(SV("c"), SV("m"), 1500000000000, 1760000000000, 3, false, id);
    ok(memcmp(id, plain->messages[0].id, 16) == 0, "of what is not synced, too");
    item_uuid_format(synced->messages[0].id, text);
    is_int(item_uuid_ms(sv_from(text)), 1500000000000, "the time is in it");
    is_int(item_uuid_ms(SV("no UUID")), 0, "and in nothing else");
    arena_free(a);
    return done_testing();
}
