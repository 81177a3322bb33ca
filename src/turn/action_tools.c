/* SPDX-License-Identifier: MIT
 * See action_tools.h. All that is said here comes from the table of actions. */
#include "config.h"

#include "turn/action_kinds.h"
#include "turn/action_tools.h"
#include "turn/actions.h"

static const char *const json_types[] = { [FIELD_NONE] = "null", [FIELD_TEXT] = "string", [FIELD_LIST] = "array", [FIELD_OBJECT] = "object" };

static void add_field(struct json_out *o, const struct action_field *f)
{
    json_key(o, f->name);
    json_obj(o);
    json_kstr(o, "type", sv_from(json_types[f->kind]));
    json_kstr(o, "description", sv_from(f->purpose));
    if (f->items != NULL)
        json_kraw(o, "items", sv_from(f->items));
    json_obj_end(o);
}

static void add_parameters(struct json_out *o, const struct action_kind *k)
{
    json_obj(o);
    json_kstr(o, "type", SV("object"));
    json_key(o, "properties");
    json_obj(o);
    for (size_t i = 0; i < ACTION_FIELDS_MAX && k->fields[i].name != NULL; i++)
        add_field(o, &k->fields[i]);
    json_obj_end(o);
    json_key(o, "required");
    json_arr(o);
    for (size_t i = 0; i < ACTION_FIELDS_MAX; i++)
        if (k->fields[i].missing != NULL)
            json_str(o, sv_from(k->fields[i].name));
    json_arr_end(o);
    json_obj_end(o);
}

static void add_tool(struct json_out *o, int index)
{
    json_obj(o);
    json_kstr(o, "type", SV("function"));
    json_key(o, "function");
    json_obj(o);
    json_kstr(o, "name", sv_from(action_types[index]));
    json_kstr(o, "description", sv_from(action_kinds[index].purpose));
    json_key(o, "parameters");
    add_parameters(o, &action_kinds[index]);
    json_obj_end(o);
    json_obj_end(o);
}

struct sv action_tools(struct arena *a, bool talks_only)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_arr(&o);
    for (int i = 0; i < ACTION_KINDS; i++)
        if (i != ACTION_EXECUTE || !talks_only)
            add_tool(&o, i);
    json_arr_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

const char *action_fault(struct sv type, const json_t *data)
{
    return action_fault_at(action_index(type), data);
}
