/* SPDX-License-Identifier: MIT
 * What a link listens to (redis_link.h). SUBSCRIBE and UNSUBSCRIBE are answered once a channel, in the order of the commands, so each
 * command is a flight with a deadline as any other. After a reconnection many channels go into one command. */
#include "config.h"

#include <stdio.h>

#include "store/redis_link_inside.h"

#define CHANNELS_A_COMMAND 256

static void on_end(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis_link *l = call->owner;
    char text[REASON_SIZE];
    if (outcome == REDIS_ANSWERED || outcome == REDIS_LOST || l->closed)
        return;
    struct sv error = sv_cut_utf8(reply->text, sizeof(text) / 2);
    (void)snprintf(text, sizeof(text), "a channel is refused: %.*s", SV_FMT(error));
    link_lost(l, text);
}

static void write_one(struct redis_link *l, const char *command, struct sv channel)
{
    if (l->state != LINK_UP && l->state != LINK_GREETING)
        return;
    struct buf *b = link_begin(l);
    redis_write_head(b, 2);
    redis_write(b, sv_from(command));
    redis_write(b, channel);
    if (!link_end_channels(l, &(struct redis_call){ .done = on_end, .owner = l }, 1))
        link_lost(l, "no memory");
}

int redis_link_subscribe(struct redis_link *l, struct sv channel)
{
    if (map_find(l->channels, channel) != NULL)
        return 0;
    if (map_put(l->channels, channel, l, NULL) != 0)
        return -1;
    write_one(l, "SUBSCRIBE", channel);
    return 0;
}

void redis_link_unsubscribe(struct redis_link *l, struct sv channel)
{
    if (map_take(l->channels, channel) != NULL)
        write_one(l, "UNSUBSCRIBE", channel);
}

/* ---- all of them ---- */

struct batch {
    struct redis_link *l;
    redis_done_fn *done;
    struct sv names[CHANNELS_A_COMMAND];
    unsigned n;
    bool failed;
};

static void write_batch(struct batch *t)
{
    if (t->n == 0 || t->failed)
        return;
    struct buf *b = link_begin(t->l);
    redis_write_head(b, 1 + t->n);
    redis_write(b, SV("SUBSCRIBE"));
    for (unsigned i = 0; i < t->n; i++)
        redis_write(b, t->names[i]);
    t->failed = !link_end_channels(t->l, &(struct redis_call){ .done = t->done, .owner = t->l }, t->n);
    t->n = 0;
}

static void add_to_batch(void *arg, struct sv key, void *value)
{
    struct batch *t = arg;
    (void)value;
    t->names[t->n++] = key;
    if (t->n == CHANNELS_A_COMMAND)
        write_batch(t);
}

bool link_write_channels(struct redis_link *l, redis_done_fn *done)
{
    struct batch t = { .l = l, .done = done };
    map_each(l->channels, add_to_batch, &t);
    write_batch(&t);
    return !t.failed;
}

/* ---- what comes ---- */

bool link_on_message(struct redis_link *l, const struct redis_reply *reply)
{
    struct sv channel = redis_text(reply, 1), message = redis_text(reply, 2);
    if (!sv_eq(redis_text(reply, 0), SV("message")))
        return false;
    /* what is not wanted any more was on its way still */
    bool is_wanted = channel.p != NULL && (sv_eq(channel, l->channel) || map_find(l->channels, channel) != NULL);
    if (is_wanted && message.p != NULL && l->on_message != NULL)
        l->on_message(l->arg, channel, message);
    return true;
}

void link_on_channel(struct redis_link *l, const struct redis_reply *reply)
{
    struct sv channel = redis_text(reply, 1);
    bool is_new = l->state == LINK_UP && channel.p != NULL && sv_eq(redis_text(reply, 0), SV("subscribe"));
    if (is_new && map_find(l->channels, channel) != NULL && l->on_subscribed != NULL)
        l->on_subscribed(l->arg, channel);
}
