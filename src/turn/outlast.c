/* SPDX-License-Identifier: MIT
 * Turns whose store has gone between the gate and the end. This process knows what became of the reply: sent, refused, or never sent because the
 * gate's answer did not come. The record does not, and whoever found it with its send open would have to end it as unknown. So the
 * outcome is kept here and told when the host is back:
 *
 *   gate or end ──store gone, LOST in the one that stands in──> kept ──the host is back──> EVENT_SENT once more ──> its end, or truly lost
 *
 * Whoever visits such a record lets that happen first (turns_is_just_back). */
#include "config.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/running.h"

#define LOOK_MS 50
#define KEPT_MS 600000    /* an outage that lasts longer is not waited for */
#define JUST_BACK_MS 3000 /* from the first look that finds the store back */

bool turns_is_just_back(struct turns *t)
{
    bool stands_in = store_is_standing_in(t->o.store);
    if (t->stood_in && !stands_in)
        t->back_mono_ms = clock_mono_ms();
    t->stood_in = stands_in;
    return t->back_mono_ms != 0 && clock_mono_ms() - t->back_mono_ms < JUST_BACK_MS;
}

static struct turn *take(struct turns *t)
{
    struct turn *turn = t->outlasting;
    t->outlasting = turn->next;
    turn->next = NULL;
    return turn;
}

void outlast_no_more(struct turns *t)
{
    while (t->outlasting != NULL)
        turn_lost(take(t));
}

void outlast_free(struct turns *t)
{
    while (t->outlasting != NULL)
        turn_end(take(t));
    loop_timer_free(t->outlast_timer);
}

/* A turn of the same conversation may have begun meanwhile; that one stays where events find it. */
static void tell(struct turn *turn)
{
    struct turns *t = turn->t;
    if (map_find(t->running, turn->id) == NULL && map_put(t->running, turn->id, turn, NULL) != 0) {
        turn_lost(turn);
        return;
    }
    turn->finish_tries = 1; /* what it knows of the record is not believed any more */
    turn_finish(turn, turn->sent);
}

static void look(void *arg)
{
    struct turns *t = arg;
    if (store_is_standing_in(t->o.store)) {
        if (t->outlasting != NULL && clock_mono_ms() - t->outlasting->lease_until_mono_ms > KEPT_MS) /* all of them came as the store went */
            outlast_no_more(t);
        if (t->outlasting != NULL)
            loop_timer_set(t->outlast_timer, LOOK_MS);
        return;
    }
    (void)turns_is_just_back(t);
    while (t->outlasting != NULL)
        tell(take(t));
}

bool turn_outlasts(struct turn *turn, enum sent sent)
{
    struct turns *t = turn->t;
    if (!store_is_standing_in(t->o.store) || turn->began_aside || t->draining)
        return false;
    if (t->outlast_timer == NULL)
        t->outlast_timer = loop_timer_new(t->o.loop, look, t);
    if (t->outlast_timer == NULL)
        return false;
    log_info("the store has gone before a turn's outcome could be written; it will be when the store is back", "conversation_id", turn->id.p, "turn_id",
             turn->record.turn_id, NULL);
    turn_answer_processing(turn, true);
    turn_drop_calls(turn);
    turn_partial_end(turn);
    loop_timer_stop(turn->lease_timer);
    if (map_find(t->running, turn->id) == turn)
        map_take(t->running, turn->id);
    t->stood_in = true;
    turn->sent = sent;
    turn->next = t->outlasting;
    t->outlasting = turn;
    loop_timer_set(t->outlast_timer, LOOK_MS);
    return true;
}
