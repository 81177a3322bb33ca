/* SPDX-License-Identifier: MIT
 * WebSocket clients that run on the same loop as what they test, and a hub whose events the test makes. */
#ifndef T_DAEMON_WEBSOCKET_RIG_H
#define T_DAEMON_WEBSOCKET_RIG_H

#include "daemon/websocket_own.h"
#include "lib/loop.h"

extern struct loop *rig_loop;
extern struct arena *rig_arena; /* of the test as a whole */
extern char rig_path[108];      /* of the socket */

void rig_begin(void);
void rig_end(void);
/* The defaults of a test: a Unix socket, tokens "platform" and "admin", no JSON Web Tokens. */
struct websocket_options rig_options(void);
struct websocket *rig_open(const struct websocket_options *o);
/* websocket_set with these and otherwise the defaults. */
int rig_set(struct websocket *w, const char *platform_tokens, const char *admin_tokens, size_t message_max);
/* Stops and frees; false: it did not stop. */
bool rig_close(struct websocket *w);
/* Until it is so, five seconds at most. */
bool rig_wait(bool (*so)(void *arg), void *arg);
void rig_turn(void); /* one round of the loop, some milliseconds at most */
struct sv rig_ticket(const char *session, const char *sender, enum sender_type type, int64_t in_ms);

/* ---- the hub ---- */

size_t rig_listeners(const char *session);
size_t rig_held(const char *session); /* of those: that had no room */
uint64_t rig_after(void); /* of the listener that was made last */
/* For all of the session that are not held. */
void rig_emit(const char *session, uint64_t seq, struct sv event);

/* ---- submissions ---- */

struct rig_said {
    char session[64], content[64], sender_id[64];
    int sender_type;
    control_fn *fn;
    void *arg;
};
extern struct rig_said rig_said[64];
extern size_t rig_said_n;
void rig_submit(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg);
void rig_answer(size_t i, const struct control_answer *a);

/* ---- whose a session is ---- */

struct rig_asked {
    char session[64], user[64];
    session_owner_fn *fn;
    void *arg;
};
extern struct rig_asked rig_asked[64];
extern size_t rig_asked_n;
extern bool rig_owner_fails; /* memory is short */
int rig_owner(struct turns *t, struct sv session_id, struct sv user_id, session_owner_fn *fn, void *arg);

/* ---- clients ---- */

struct client {
    int fd;
    struct buf in;
    bool over; /* the other side has closed */
};

struct client *client_new(const struct websocket *w); /* connected */
void client_free(struct client *c);
void client_send(struct client *c, struct sv bytes);
/* Sends the handshake and waits for the answer: its status, 0: none came. `more`: whole header lines. */
int client_greet(struct client *c, const char *target, const char *more);
/* The same in two steps. */
void client_ask(struct client *c, const char *target, const char *more);
int client_status(struct client *c);
struct client *client_open(const struct websocket *w, const char *target, const char *more); /* bails out unless 101 */
enum { OP_MORE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10, OP_LAST = 128 };
void client_frame(struct client *c, int op, struct sv payload); /* op | OP_LAST for the last fragment; masked */
void client_text(struct client *c, const char *text);
/* The next frame: its op; -1: the connection is over, or nothing came. *text is valid until the next call. */
int client_next(struct client *c, struct sv *text);
/* Skips to the closing: its code, 0: it was closed without one, -1: it is open. */
int client_closed(struct client *c);
bool client_is_over(struct client *c);

#endif
