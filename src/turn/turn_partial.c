/* SPDX-License-Identifier: MIT
 * An answer that is shown as it grows. Before an AI is asked that can show it, the store is asked whether somebody listens to the session:
 *
 *   turn_look_for_listeners ── listening:<id>? ── yes ──> partial text ──> event, at most four a second ──> ... ──> the turn's end
 *                                   └── no, or no store ──> nothing of all this
 *
 * Of what came too fast the newest is told later: nothing is lost but states in between. The store logs an event only while the turn has its
 * lease, so none follows on the turn's own end. What is told is a text of a customer's conversation: it never stands in the program's log. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/plain.h"
#include "store/store_session.h"
#include "turn/listening.h"
#include "turn/running.h"

#define PACE_MS 250
#define PACE_BYTES 16384 /* each so many make the pace slower by as much: all of the text is told each time */
#define AGAIN_MS 1000    /* after the store did not take one */

struct saying {
    struct partial *p; /* NULL: its turn is over */
};

struct partial {
    struct turn *turn;
    struct loop_timer *timer;
    struct buf text;       /* the newest */
    struct saying *saying; /* what is on its way to the store; NULL: nothing */
    int64_t said_mono_ms;  /* when that began last; 0: never so far */
    bool news;             /* the text was not told yet */
    bool over;             /* the lease is another's */
};

/* ---- telling ---- */

static void tick(void *arg);

/* As the other events of a session (session_note.c). *same: so far it is the same for each state of this text. */
static void put_event(struct buf *b, const struct partial *p, size_t *same)
{
    struct json_out o = { .b = b };

    json_obj(&o);
    json_kstr(&o, "type", SV("reply"));
    json_kstr(&o, "session_id", p->turn->id);
    json_kbool(&o, "partial", true);
    json_kstr(&o, "job_id", sv_from(p->turn->record.turn_id));
    *same = b->n;
    json_kstr(&o, "text", buf_sv(&p->text));
    json_kms(&o, "at", turns_store_now(p->turn->t));
    json_obj_end(&o);
}

static void tell_later(struct partial *p)
{
    int64_t pace_ms = PACE_MS * (int64_t)(1 + p->text.n / PACE_BYTES);
    int64_t left_ms = p->said_mono_ms == 0 ? 0 : p->said_mono_ms + pace_ms - clock_mono_ms();

    if (p->news && !p->over && p->saying == NULL && !loop_timer_is_set(p->timer))
        loop_timer_set(p->timer, left_ms);
}

static void on_said(void *arg, enum store_status status)
{
    struct saying *s = arg;
    struct partial *p = s->p;

    free(s);
    if (p == NULL)
        return;
    p->saying = NULL;
    if (status == STORE_LEASE_LOST) { /* which the turn finds out by itself */
        p->over = true;
    } else if (status == STORE_DONE) {
        tell_later(p);
    } else {
        p->news = true;
        loop_timer_set(p->timer, AGAIN_MS);
    }
}

/* What is told must still become the reply, as far as this process knows. */
static bool may_tell(const struct turn *turn)
{
    bool runs = turn->state == TURN_THINKING || turn->state == TURN_PLACE || turn->state == TURN_GATE || turn->state == TURN_SENDING;

    return runs && !turn->authority_lost && !turn->handing_back;
}

static void tick(void *arg)
{
    struct partial *p = arg;
    struct turn *turn = p->turn;
    struct buf b = { 0 };
    size_t same = 0;

    if (!p->news || p->over || p->saying != NULL || !may_tell(turn))
        return;
    put_event(&b, p, &same);
    p->saying = buf_ok(&b) ? calloc(1, sizeof(*p->saying)) : NULL;
    if (p->saying == NULL) {
        loop_timer_set(p->timer, AGAIN_MS);
    } else {
        p->saying->p = p;
        p->news = false;
        p->said_mono_ms = clock_mono_ms();
        store_event_say(turn->t->o.store, &(struct store_event_say){ .conversation_id = turn->id,
                                                                      .need_token = sv_from(turn->record.token),
                                                                      .event = buf_sv(&b),
                                                                      .same = same,
                                                                      .events_max = SESSION_EVENTS_MAX,
                                                                      .ttl_ms = session_ttl_ms(turn->t) },
                        on_said, p->saying);
    }
    buf_fini(&b);
}

void turn_partial(void *arg, struct sv text)
{
    struct turn *turn = arg;
    struct partial *p = turn->partial;

    if (p == NULL || p->over)
        return;
    buf_clear(&p->text);
    plain_add(&p->text, text);
    p->news = buf_ok(&p->text);
    tell_later(p);
}

static struct partial *partial_new(struct turn *turn)
{
    struct partial *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->turn = turn;
    p->timer = loop_timer_new(turn->t->o.loop, tick, p);
    if (p->timer != NULL)
        return p;
    free(p);
    return NULL;
}

void turn_partial_end(struct turn *turn)
{
    struct partial *p = turn->partial;

    turn->partial = NULL;
    if (p == NULL)
        return;
    if (p->saying != NULL)
        p->saying->p = NULL;
    loop_timer_free(p->timer);
    buf_fini(&p->text);
    free(p);
}

/* ---- does somebody listen? ---- */

struct look {
    struct turns *t;
    turn_fn *go_on;
    char key[MESSAGE_ID_MAX + 1];
    struct sv id;
    char token[ID_TOKEN_SIZE];
};

/* The turn that asked goes on, if it still waits for that. */
static void on_look(void *arg, enum store_status status, struct sv mark)
{
    struct look *k = arg;
    struct turns *t = k->t;
    turn_fn *go_on = k->go_on;
    struct turn *turn = turn_asker(t, k->id, k->token);

    t->transactions--;
    free(k);
    turns_look_drained(t);
    if (turn == NULL)
        return;
    if (status == STORE_DONE && mark.p != NULL)
        turn->partial = partial_new(turn);
    go_on(turn);
}

bool turn_look_for_listeners(struct turn *turn, turn_fn *go_on)
{
    struct turns *t = turn->t;
    char name[LISTENING_NAME_SIZE];
    struct look *k = turn->looked_for_listeners ? NULL : calloc(1, sizeof(*k));

    turn->looked_for_listeners = true;
    if (k == NULL)
        return false;
    k->t = t;
    k->go_on = go_on;
    memcpy(k->key, turn->id.p, turn->id.n);
    k->id = (struct sv){ k->key, turn->id.n };
    memcpy(k->token, turn->record.token, sizeof(k->token));
    turn->state = TURN_CONTEXT;
    t->transactions++;
    store_get(t->o.store, listening_name(name, turn->id), on_look, k);
    return true;
}
