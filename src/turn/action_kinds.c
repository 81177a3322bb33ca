/* SPDX-License-Identifier: MIT
 * The table of actions, and what it says of one of them. Knows nothing of lists of actions, nor where they come from. */
#include "config.h"

#include "turn/action_kinds.h"
#include "turn/actions.h"

const char *const action_types[] = {
    [ACTION_MESSAGE] = "send_message",      [ACTION_QUICK_REPLIES] = "send_quick_replies", [ACTION_CAROUSEL] = "send_carousel",
    [ACTION_TRANSFER] = "transfer_to_agent", [ACTION_COLLECT] = "collect_info",            [ACTION_EXECUTE] = "execute_api",
    [ACTION_END] = "end_conversation",      NULL,
};
_Static_assert(ARRAY_LEN(action_types) == ACTION_KINDS + 1, "a name for each kind");

#define NEEDED(n, k, why, ...) { .name = (n), .kind = (k), .missing = "data_" n "_required", .purpose = (why), __VA_ARGS__ }
#define MAY_BE(n, k, why) { .name = (n), .kind = (k), .purpose = (why) }
#define CARD                                                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"},\"subtitle\":{\"type\":\"string\"},\"url\":{\"type\":\"string\"}}," \
    "\"required\":[\"title\"]}"

const struct action_kind action_kinds[ACTION_KINDS] = {
    [ACTION_MESSAGE] = { "Sends a text to the customer.", { NEEDED("message", FIELD_TEXT, "The text", 0) } },
    [ACTION_QUICK_REPLIES] = { "Sends a text with short answers to choose from.",
                               { NEEDED("message", FIELD_TEXT, "The text", 0),
                                 NEEDED("quick_replies", FIELD_LIST, "The answers", .items = "{\"type\":\"string\"}") } },
    [ACTION_CAROUSEL] = { "Shows cards side by side, such as products.", { NEEDED("elements", FIELD_LIST, "The cards", .items = CARD) } },
    [ACTION_TRANSFER] = { "Hands the conversation to a person. The assistant is silent from then on.",
                          { MAY_BE("reason", FIELD_TEXT, "Why, for that person") } },
    [ACTION_COLLECT] = { "Asks the customer for details.",
                         { NEEDED("fields", FIELD_LIST, "Names of the details, such as phone", .items = "{\"type\":\"string\"}"),
                           MAY_BE("message", FIELD_TEXT, "How the customer is asked") } },
    [ACTION_EXECUTE] = { "Starts an operation that the instructions name.",
                         { NEEDED("name", FIELD_TEXT, "Its name", 0), MAY_BE("parameters", FIELD_OBJECT, "Its parameters") } },
    [ACTION_END] = { "Closes the conversation when nothing is left to be done.", { MAY_BE("reason", FIELD_TEXT, "Why") } },
};

int action_index(struct sv type)
{
    for (int i = 0; i < ACTION_KINDS; i++)
        if (sv_eq(type, sv_from(action_types[i])))
            return i;
    return -1;
}

static bool is_there(const struct action_field *f, const json_t *value)
{
    switch (f->kind) {
    case FIELD_NONE:
        return true;
    case FIELD_TEXT:
        return json_is_string(value) && json_string_length(value) > 0;
    case FIELD_LIST:
        return json_is_array(value) && json_array_size(value) > 0;
    case FIELD_OBJECT:
        return json_is_object(value);
    }
    return false;
}

const char *action_fault_at(int index, const json_t *data)
{
    if (index < 0)
        return "unknown_type";
    if (data != NULL && !json_is_object(data))
        return "data_is_no_object";
    for (size_t i = 0; i < ACTION_FIELDS_MAX; i++) {
        const struct action_field *f = &action_kinds[index].fields[i];
        if (f->missing != NULL && !is_there(f, json_object_get(data, f->name)))
            return f->missing;
    }
    return NULL;
}
