/* SPDX-License-Identifier: MIT
 * Reads an item's members one after another; the first one that is wrong ends it. Open structures are not looked into: they are passed
 * on as they stand in the text, once it is known to be JSON that every database takes. */
#include "config.h"

#include "archive/archive_door.h"
#include "archive/archive_item.h"
#include "archive/archive_task.h"
#include "lib/json.h"

#define DEPTH_MAX 64 /* a body may have JSON_DEPTH_MAX levels and stands a few levels deep in an item */
#define ORDER_BACK_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
#define ORDER_AHEAD_MS (INT64_C(5) * 60 * 1000)
#define STATUS_MAX 32
#define REASON_MAX 1000
#define NAME_MAX_BYTES 200 /* action types, models: shown, never looked up */
#define URL_MAX 4096
#define COUNT_MAX INT64_C(2147483647)

static bool is_status(struct sv s)
{
    if (s.p == NULL || s.n == 0 || s.n > STATUS_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_'))
            return false;
    return true;
}

/* ---- ids ---- */

bool item_is_id(struct sv id)
{
    return id.p != NULL && id.n >= 1 && id.n <= ITEM_ID_MAX && memchr(id.p, '\0', id.n) == NULL && sv_is_utf8(id);
}

bool item_uuid_parse(struct sv text, unsigned char out[ITEM_UUID_BYTES])
{
    size_t at = 0;

    if (text.p == NULL || text.n != 36)
        return false;
    for (size_t i = 0; i < ITEM_UUID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.p[at++] != '-')
            return false;
        int high = sv_hex_digit(text.p[at]), low = sv_hex_digit(text.p[at + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
        at += 2;
    }
    return true;
}

void item_uuid_format(const unsigned char id[ITEM_UUID_BYTES], char out[37])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ITEM_UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out = '\0';
}

static uint64_t hash_more(uint64_t hash, struct sv s) /* FNV-1a */
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* RFC 9562 5.7: 48 bits of time, then bits that the maker may fill: 34 bits of the arrival number, 40 bits of hash. */
void item_uuid_make(unsigned char out[ITEM_UUID_BYTES], int64_t at_ms, int64_t number, struct sv where, struct sv name)
{
    uint64_t hash = hash_more(hash_more(UINT64_C(0xcbf29ce484222325), where), name);
    uint64_t ms = (uint64_t)at_ms, seq = (uint64_t)number & ((UINT64_C(1) << 34) - 1);
    uint64_t high = ms << 16 | UINT64_C(7) << 12 | seq >> 22;
    uint64_t low = UINT64_C(2) << 62 | (seq & ((UINT64_C(1) << 22) - 1)) << 40 | hash >> 24;

    for (size_t i = 0; i < 8; i++) {
        out[i] = (unsigned char)(high >> (56 - 8 * i));
        out[8 + i] = (unsigned char)(low >> (56 - 8 * i));
    }
}

int64_t item_uuid_ms(struct sv text)
{
    unsigned char id[ITEM_UUID_BYTES];
    int64_t ms = 0;

    for (size_t i = 0; item_uuid_parse(text, id) && i < 6; i++)
        ms = ms << 8 | id[i];
    return ms;
}

int64_t item_order_ms(int64_t timestamp_ms, int64_t received_ms, bool synced)
{
    int64_t earliest = received_ms > ORDER_BACK_MS && !synced ? received_ms - ORDER_BACK_MS : 0;
    int64_t latest = received_ms < DOOR_MS_MAX - ORDER_AHEAD_MS ? received_ms + ORDER_AHEAD_MS : DOOR_MS_MAX;

    return timestamp_ms < earliest ? earliest : timestamp_ms > latest ? latest : timestamp_ms;
}

static void make_id(const struct item *item, struct item_message *m)
{
    m->order_ms = item_order_ms(m->timestamp_ms, m->received_ms, item->synced);
    item_uuid_make(m->id, m->order_ms, m->seq, item->conversation_id, m->message_id);
}

/* ---- messages and actions ---- */

static int read_times(struct door *d, scan_at o, const struct door_place *at, struct item_message *m)
{
    return door_ms(d, o, "timestamp", at, -1, &m->timestamp_ms) == 0 ? door_ms(d, o, "received", at, m->timestamp_ms, &m->received_ms) : -1;
}

static int read_message(struct door *d, scan_at o, const struct door_place *at, struct item_message *m)
{
    static const char *const types[] = { "user", "agent", "bot", "system" };

    if (door_object(d, o, at) != 0 || door_id(d, o, "message_id", at, &m->message_id) != 0 ||
        door_id(d, o, "sender_id", at, &m->sender_id) != 0)
        return -1;
    m->sender_type = door_word(d, o, "sender_type", types, ARRAY_LEN(types));
    if (m->sender_type == NULL)
        return door_refuse(d, at, "sender_type", "must be user, agent, bot or system");
    if (door_string(d, scan_member(&d->scan, o, "content"), &m->content) != 0)
        return -1;
    if (m->content.p == NULL)
        return door_refuse(d, at, "content", "must be a string");
    if (m->content.n > ITEM_CONTENT_MAX)
        return door_refuse(d, at, "content", "has more than 65536 bytes");
    if (read_times(d, o, at, m) != 0 || door_count(d, o, "seq", at, INT64_MAX, &m->seq) != 0 ||
        door_json(d, o, "metadata", at, SCAN_OBJECT, &m->metadata) != 0)
        return -1;
    return door_json(d, o, "attachments", at, SCAN_ARRAY, &m->attachments);
}

static int read_messages(struct door *d, scan_at list, struct item *out)
{
    size_t n = scan_count(&d->scan, list), i = 0;
    struct item_message *m;

    if (!scan_is(&d->scan, list, SCAN_ARRAY) || n == 0)
        return err_set(d->e, ERR_INVALID, "messages: must be an array of at least one message");
    m = arena_array(d->arena, n, sizeof(*m));
    if (m == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    for (scan_at v = scan_first(&d->scan, list); v != SCAN_NONE; v = scan_after(&d->scan, list, v), i++) {
        if (read_message(d, v, &(struct door_place){ "messages", i }, &m[i]) != 0)
            return -1;
        make_id(out, &m[i]);
        if (m[i].seq >= m[out->newest].seq)
            out->newest = i;
    }
    out->messages = m;
    out->messages_n = n;
    return 0;
}

static int read_action(struct door *d, scan_at o, const struct door_place *at, struct item_action *out)
{
    static const char *const statuses[] = { "proposed", "sending", "executed", "failed", "withheld", "unknown", "dropped" };
    scan_at data;

    if (door_object(d, o, at) != 0)
        return -1;
    out->status = door_word(d, o, "status", statuses, ARRAY_LEN(statuses));
    if (out->status == NULL)
        return door_refuse(d, at, "status", "must be proposed, sending, executed, failed, withheld, unknown or dropped");
    if (door_text(d, o, "type", at, NAME_MAX_BYTES, &out->type) != 0 || door_text(d, o, "reason", at, REASON_MAX, &out->reason) != 0 ||
        door_count(d, o, "retry_count", at, COUNT_MAX, &out->retry_count) != 0)
        return -1;
    if (out->type.p == NULL)
        out->type = SV("unknown"); /* a dropped action may have had none */
    data = scan_member(&d->scan, o, "data");
    out->data = door_absent(d, data) ? SV("{}") : scan_raw(&d->scan, data);
    return 0;
}

static int read_actions(struct door *d, scan_at list, struct item *out)
{
    size_t n = scan_count(&d->scan, list), i = 0;
    struct item_action *act;

    if (door_absent(d, list))
        return 0;
    if (!scan_is(&d->scan, list, SCAN_ARRAY))
        return err_set(d->e, ERR_INVALID, "actions: must be an array");
    act = arena_array(d->arena, n, sizeof(*act));
    if (act == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    for (scan_at v = scan_first(&d->scan, list); v != SCAN_NONE; v = scan_after(&d->scan, list, v), i++) {
        if (read_action(d, v, &(struct door_place){ "actions", i }, &act[i]) != 0)
            return -1;
        if (strcmp(act[i].status, "executed") == 0 || strcmp(act[i].status, "unknown") == 0 || strcmp(act[i].status, "proposed") == 0)
            out->said = true;
    }
    out->actions = act;
    out->actions_n = n;
    return 0;
}

/* ---- the job ---- */

static int read_callback(struct door *d, scan_at o, const struct door_place *at, struct item_job *job)
{
    scan_at list = scan_member(&d->scan, o, "callback_urls");
    struct sv url;

    if (door_absent(d, list))
        return 0;
    if (!scan_is(&d->scan, list, SCAN_ARRAY))
        return door_refuse(d, at, "callback_urls", "must be an array");
    for (scan_at v = scan_first(&d->scan, list); v != SCAN_NONE; v = scan_after(&d->scan, list, v)) {
        if (door_string(d, v, &url) != 0)
            return -1;
        if (url.p == NULL)
            return door_refuse(d, at, "callback_urls", "must be an array of strings");
        if (job->callback_url.p == NULL)
            job->callback_url = sv_cut_utf8(url, URL_MAX);
    }
    return 0;
}

/* A turn that ended in another way than these two has a reply, or needs none. */
static const char *job_status(struct sv status)
{
    if (sv_eq(status, SV("failed")))
        return "failed";
    return sv_eq(status, SV("cancelled")) ? "cancelled" : "completed";
}

static int read_job(struct door *d, scan_at o, struct item *out)
{
    static const struct door_place at = { "job", 0 };
    struct item_job *job;

    if (door_absent(d, o))
        return 0;
    if (door_object(d, o, &at) != 0)
        return -1;
    job = arena_alloc(d->arena, sizeof(*job));
    if (job == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    job->status = job_status(out->status);
    job->started_ms = -1;
    if (door_count(d, o, "attempts", &at, COUNT_MAX, &job->attempts) != 0 ||
        door_ms(d, o, "created_at", &at, out->at_ms, &job->created_ms) != 0 ||
        door_text(d, o, "bot_id", &at, ITEM_ID_MAX, &job->bot_id) != 0 || door_text(d, o, "error", &at, REASON_MAX, &job->error) != 0 ||
        read_callback(d, o, &at, job) != 0)
        return -1;
    if (!door_absent(d, scan_member(&d->scan, o, "started_at")) && door_ms(d, o, "started_at", &at, -1, &job->started_ms) != 0)
        return -1;
    out->job = job;
    return 0;
}

/* ---- the item ---- */

static const struct door_place top = { NULL, 0 };

static int read_reply(struct door *d, struct item *out)
{
    scan_at reply = scan_member(&d->scan, 0, "reply"), ms = scan_member(&d->scan, reply, "processing_time_ms");

    if (door_json(d, 0, "reply", &top, SCAN_OBJECT, &out->reply) != 0 ||
        door_string(d, scan_member(&d->scan, reply, "model_used"), &out->model) != 0)
        return -1;
    if (out->model.p != NULL)
        out->model = sv_cut_utf8(out->model, NAME_MAX_BYTES);
    if (!scan_is(&d->scan, ms, SCAN_NUMBER))
        ms = scan_member(&d->scan, 0, "ai_ms");
    out->has_ai_ms = scan_is(&d->scan, ms, SCAN_NUMBER);
    out->ai_ms = out->has_ai_ms ? scan_f64(&d->scan, ms) : 0;
    return 0;
}

static int read_turn(struct door *d, struct item *out)
{
    scan_at synced = scan_member(&d->scan, 0, "synced");
    struct sv id;

    out->synced = scan_is(&d->scan, synced, SCAN_TRUE);
    if (!out->synced && !door_absent(d, synced) && !scan_is(&d->scan, synced, SCAN_FALSE))
        return door_refuse(d, &top, "synced", "must be true or false");
    if (door_string(d, scan_member(&d->scan, 0, "turn_id"), &id) != 0)
        return -1;
    out->has_turn = item_uuid_parse(id, out->turn_id);
    if (!out->has_turn)
        return err_set(d->e, ERR_INVALID, "turn_id: must be a UUID");
    if (door_string(d, scan_member(&d->scan, 0, "status"), &out->status) != 0)
        return -1;
    if (!is_status(out->status))
        return err_set(d->e, ERR_INVALID, "status: must be a word of 1 to 32 lower-case letters");
    if (door_count(d, 0, "fence", &top, INT64_MAX, &out->fence) != 0)
        return -1;
    if (out->synced)
        out->fence = 0; /* what was decided here stands */
    if (door_count(d, 0, "restarts", &top, COUNT_MAX, &out->restarts) != 0 ||
        door_text(d, 0, "storage", &top, NAME_MAX_BYTES, &out->storage) != 0 || door_ms(d, 0, "at", &top, -1, &out->at_ms) != 0 ||
        read_reply(d, out) != 0 || read_messages(d, scan_member(&d->scan, 0, "messages"), out) != 0 ||
        read_job(d, scan_member(&d->scan, 0, "job"), out) != 0)
        return -1;
    out->said = out->synced && out->reply.p != NULL;
    return read_actions(d, scan_member(&d->scan, 0, "actions"), out);
}

static int read_single(struct door *d, struct item *out)
{
    struct item_message *m = arena_alloc(d->arena, sizeof(*m));

    if (m == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    if (read_message(d, scan_member(&d->scan, 0, "message"), &(struct door_place){ "message", 0 }, m) != 0)
        return -1;
    if (m->seq == 0)
        m->seq = out->seq;
    make_id(out, m);
    out->at_ms = m->received_ms;
    out->messages = m;
    out->messages_n = 1;
    return 0;
}

/* A message that nothing answers. */
static int read_recorded(struct door *d, struct item *out)
{
    out->status = SV("recorded");
    return read_single(d, out);
}

/* A message of which nothing is known but that it came: whatever is decided about it goes before. */
static int read_received(struct door *d, struct item *out)
{
    out->status = SV("received");
    out->reason = SV_NONE;
    out->fence = -1;
    if (!door_absent(d, scan_member(&d->scan, 0, "at")) && door_ms(d, 0, "at", &top, -1, &out->at_ms) != 0)
        return -1;
    return read_single(d, out);
}

enum head { HEAD_CONVERSATION, HEAD_OR_SESSION, HEAD_OWN };

static int read_head(struct door *d, struct item *out, enum head head)
{
    bool or_session = head == HEAD_OR_SESSION;
    scan_at conversation = scan_member(&d->scan, 0, "conversation_id"), session = scan_member(&d->scan, 0, "session_id");
    struct sv other;

    if (head == HEAD_OWN)
        return 0;
    if (or_session && door_absent(d, conversation))
        return door_absent(d, session) ? door_refuse(d, &top, "conversation_id", "must be a string")
                                       : door_id(d, 0, "session_id", &top, &out->conversation_id);
    if (door_id(d, 0, "conversation_id", &top, &out->conversation_id) != 0)
        return -1;
    if (!or_session || door_absent(d, session))
        return 0;
    if (door_id(d, 0, "session_id", &top, &other) != 0)
        return -1;
    return sv_eq(other, out->conversation_id) ? 0 : door_refuse(d, &top, "session_id", "is another one than conversation_id");
}

static int read_item(struct door *d, struct item *out)
{
    static const struct {
        const char *type;
        int (*read)(struct door *d, struct item *out);
        enum head head;
    } kinds[] = { { "turn", read_turn, HEAD_CONVERSATION },
                  { "message", read_recorded, HEAD_CONVERSATION },
                  { "save_message", read_received, HEAD_OR_SESSION },
                  { "update_session_status", task_state, HEAD_OR_SESSION },
                  { "extract_customer_info", task_customer, HEAD_OR_SESSION },
                  { "erase", task_erase, HEAD_OWN } };
    scan_at v = scan_member(&d->scan, 0, "v");
    struct sv type;
    int64_t version = 1;
    size_t kind = 0;

    if (door_object(d, 0, &top) != 0)
        return -1;
    if (v != SCAN_NONE && (!scan_i64(&d->scan, v, &version) || version != 1))
        return err_set(d->e, ERR_RANGE, "v: a version that this program does not know");
    if (door_string(d, scan_member(&d->scan, 0, "type"), &type) != 0)
        return -1;
    while (type.p != NULL && kind < ARRAY_LEN(kinds) && !sv_eq(type, sv_from(kinds[kind].type)))
        kind++;
    if (type.p == NULL || kind == ARRAY_LEN(kinds))
        return door_refuse(d, &top, "type", "must be turn, message, save_message, update_session_status, extract_customer_info or erase");
    if (read_head(d, out, kinds[kind].head) != 0 || door_count(d, 0, "seq", &top, INT64_MAX, &out->seq) != 0 ||
        door_text(d, 0, "reason", &top, REASON_MAX, &out->reason) != 0)
        return -1;
    return kinds[kind].read(d, out);
}

/* Numbers beyond a double are no numbers to anybody; what is merely written oddly is written anew by jansson. */
static int write_anew(struct arena *a, struct sv text, struct sv *out, struct err *e)
{
    json_error_t error;
    json_t *o = json_loadb(text.p, text.n, 0, &error);
    struct buf b = { 0 };

    if (o == NULL)
        return err_set(e, ERR_INVALID, "not JSON at byte %d: a number is too large", error.position);
    json_dump_to(&b, o);
    json_decref(o);
    *out = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return out->p != NULL ? 0 : err_set(e, ERR_MEMORY, "out of memory");
}

int item_parse(struct arena *a, struct sv text, struct item *out, struct err *e)
{
    struct door d = { .arena = a, .e = e };
    int rc;

    *out = (struct item){ 0 };
    if (text.n > ITEM_BYTES_MAX)
        return err_set(e, ERR_RANGE, "the item is too large");
    rc = scan_read(&d.scan, text, DEPTH_MAX, e);
    if (rc == 0 && d.scan.odd) {
        scan_fini(&d.scan);
        rc = write_anew(a, text, &text, e);
        if (rc == 0)
            rc = scan_read(&d.scan, text, DEPTH_MAX, e);
    }
    if (rc == 0)
        rc = read_item(&d, out);
    scan_fini(&d.scan);
    return rc;
}
