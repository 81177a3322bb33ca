/* SPDX-License-Identifier: MIT
 * The tools that an AI is told of: one for each type, and what they say is needed is what an action is dropped for. */
#include "config.h"

#include "t/tap.h"
#include "turn/action_tools.h"
#include "turn/actions.h"

/* A value as the schema wants it. */
static json_t *value_of(const json_t *schema)
{
    struct sv type = json_sv(schema, "type");
    if (sv_eq(type, SV("string")))
        return json_string("x");
    if (sv_eq(type, SV("array")))
        return json_pack("[o]", value_of(json_object_get(schema, "items")));
    return json_object();
}

static json_t *data_of(json_t *parameters)
{
    json_t *data = json_object(), *schema;
    const char *name;
    json_object_foreach(json_object_get(parameters, "properties"), name, schema)
        (void)json_object_set_new(data, name, value_of(schema));
    return data;
}

static void check_tool(const json_t *tool, const char *type)
{
    const json_t *function = json_object_get(tool, "function");
    json_t *parameters = json_object_get(function, "parameters"), *needed = json_object_get(parameters, "required");
    json_t *data = data_of(parameters), *name;
    size_t i;
    is_sv(json_sv(tool, "type"), SV("function"), "%s: a function", type);
    is_sv(json_sv(function, "name"), sv_from(type), "%s: named as the type", type);
    ok(json_sv(function, "description").n > 10, "%s: says what it is for", type);
    is_sv(json_sv(parameters, "type"), SV("object"), "%s: its parameters are an object", type);
    ok(json_object_size(data) > 0 && action_fault(sv_from(type), data) == NULL, "%s: data as the schema says is right", type);
    json_array_foreach(needed, i, name)
    {
        char why[64];
        json_t *less = json_copy(data);
        (void)json_object_del(less, json_string_value(name));
        snprintf(why, sizeof why, "data_%s_required", json_string_value(name));
        is_str(action_fault(sv_from(type), less), why, "%s: without %s", type, json_string_value(name));
        json_decref(less);
    }
    is_int(action_fault(sv_from(type), NULL) != NULL, json_array_size(needed) > 0, "%s: without any data", type);
    json_decref(data);
}

/* For a platform that knows no operations: the same tools in the same order, but for the one. */
static void test_talks_only(struct arena *a, const json_t *tools)
{
    json_t *fewer = json_read(action_tools(a, true), false, NULL), *rest = json_array(), *one;
    size_t i;
    json_array_foreach(tools, i, one)
        if (!sv_eq(json_sv(json_object_get(one, "function"), "name"), SV("execute_api")))
            (void)json_array_append(rest, one);
    is_int((int)json_array_size(rest), (int)json_array_size(tools) - 1, "one of them is execute_api");
    ok(json_equal(fewer, rest), "it is left out where there are no operations, and nothing else is");
    json_decref(fewer);
    json_decref(rest);
}

int main(void)
{
    struct arena *a = arena_new(0, 65536);
    struct sv text = action_tools(a, false);
    struct err e = { .text = "memory" };
    json_t *tools = text.p == NULL ? NULL : json_read(text, false, &e);
    if (tools == NULL)
        bail_out("%s", e.text);
    size_t n = 0;
    for (; action_types[n] != NULL; n++)
        check_tool(json_array_get(tools, n), action_types[n]);
    is_int((int)json_array_size(tools), (int)n, "a tool for each type");
    test_talks_only(a, tools);
    is_str(action_fault(SV("format_disk"), NULL), "unknown_type", "a type that there is not");
    is_str(action_fault(SV_NONE, NULL), "unknown_type", "none");
    json_t *text_data = json_string("{");
    is_str(action_fault(SV("end_conversation"), text_data), "data_is_no_object", "data that is no object");
    json_decref(text_data);
    struct arena *small = arena_new(16, 64);
    is_sv(action_tools(small, false), SV_NONE, "no memory");
    arena_free(small);
    json_decref(tools);
    arena_free(a);
    return done_testing();
}
