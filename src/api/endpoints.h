/* SPDX-License-Identifier: MIT
 * All endpoints: the table, and the functions that it names. One file endpoint_*.c a group. */
#ifndef API_ENDPOINTS_H
#define API_ENDPOINTS_H

#include "api/request.h"

extern const struct route endpoints[];
extern const size_t endpoints_n;

/* endpoint_message.c */
extern const struct input endpoint_message_input;
void endpoint_message(struct request *r);
struct sv endpoint_message_conversation(const struct request *r);
/* endpoint_chat.c */
extern const struct input endpoint_chat_input;
void endpoint_chat(struct request *r);
struct sv endpoint_chat_conversation(const struct request *r);
/* endpoint_job.c */
extern const struct input endpoint_job_query;
void endpoint_job(struct request *r);
void endpoint_job_cancel(struct request *r);
/* endpoint_job_events.c */
void endpoint_job_events(struct request *r);
/* endpoint_session.c */
extern const struct input endpoint_session_patch_input, endpoint_ticket_input, endpoint_ticket_user_input;
void endpoint_session(struct request *r);
void endpoint_session_patch(struct request *r);
void endpoint_session_message(struct request *r);
struct sv endpoint_session_conversation(const struct request *r);
void endpoint_customer(struct request *r);
void endpoint_ticket(struct request *r);
/* endpoint_session_events.c */
extern const struct input endpoint_session_events_query;
void endpoint_session_events(struct request *r);
/* endpoint_webhook.c */
extern const struct input endpoint_webhook_input;
void endpoint_webhook(struct request *r);
void endpoint_webhook_busy(struct request *r);
/* endpoint_health.c */
void endpoint_health(struct request *r);
void endpoint_handler(struct request *r);
/* endpoint_admin_conversations.c */
extern const struct input endpoint_admin_list_query, endpoint_admin_fate_query, endpoint_admin_pause_input;
void endpoint_admin_list(struct request *r);
void endpoint_admin_show(struct request *r);
void endpoint_admin_cancel(struct request *r);
void endpoint_admin_resume(struct request *r);
void endpoint_admin_pause(struct request *r);
void endpoint_admin_fate(struct request *r);
/* endpoint_admin_system.c */
extern const struct input endpoint_admin_cleanup_query;
void endpoint_admin_health(struct request *r);
void endpoint_admin_stats(struct request *r);
void endpoint_admin_cache(struct request *r);
void endpoint_admin_cleanup(struct request *r);
/* endpoint_admin_queue.c */
extern const struct input endpoint_admin_dead_query;
void endpoint_admin_queue(struct request *r);
void endpoint_admin_dead(struct request *r);
void endpoint_admin_dead_retry(struct request *r);
void endpoint_admin_dead_discard(struct request *r);
/* endpoint_admin_services.c */
extern const struct input endpoint_admin_services_query, endpoint_admin_service_query, endpoint_admin_service_input;
void endpoint_admin_services(struct request *r);
void endpoint_admin_service(struct request *r);
void endpoint_admin_service_create(struct request *r);
void endpoint_admin_service_replace(struct request *r);
void endpoint_admin_service_delete(struct request *r);

/* endpoint_history.c */
extern const struct input endpoint_history_query, endpoint_history_days_query;
void endpoint_history(struct request *r);
void endpoint_history_sessions(struct request *r);
void endpoint_history_session(struct request *r);
void endpoint_history_archive(struct request *r);
void endpoint_history_days(struct request *r);
void endpoint_history_day(struct request *r);
/* endpoint_history_erase.c */
void endpoint_history_erase_session(struct request *r);
void endpoint_history_erase_user(struct request *r);
/* endpoint_history_export.c */
void endpoint_history_export(struct request *r);
/* endpoint_history_sync.c */
extern const struct input endpoint_history_sync_input;
void endpoint_history_sync(struct request *r);
/* endpoint_history_preferences.c */
extern const struct input endpoint_history_preferences_input;
void endpoint_history_preferences(struct request *r);
void endpoint_history_preferences_put(struct request *r);
void endpoint_history_preferences_delete(struct request *r);

#endif
