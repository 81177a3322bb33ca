/* SPDX-License-Identifier: MIT
 * Who serves what, and for whom. The only list of paths. */
#include "config.h"

#include "api/endpoints.h"
#include "turn/session.h"

/* Waits for the store, and for other processes. */
#define ADMIN(verb, tail, what, ...)                                                                                   \
    {                                                                                                                  \
        .method = (verb), .path = tail, .access = ACCESS_ADMIN, .parks = true, .handle = endpoint_admin_##what,        \
        __VA_ARGS__                                                                                                    \
    }
#define V1 "/api/v1/admin/"
/* Rows of one table: what its path is called. */
#define SERVICES(name)                                                                                                 \
    ADMIN(CGI_GET, V1 name, services, .query = &endpoint_admin_services_query),                                        \
        ADMIN(CGI_POST, V1 name, service_create, .input = &endpoint_admin_service_input),                              \
        ADMIN(CGI_GET, V1 name "/{id}", service, .query = NULL),                                                       \
        ADMIN(CGI_PUT, V1 name "/{id}", service_replace, .input = &endpoint_admin_service_input,                       \
              .query = &endpoint_admin_service_query),                                                                 \
        ADMIN(CGI_DELETE, V1 name "/{id}", service_delete, .query = &endpoint_admin_service_query)
#define CLEANUP .query = &endpoint_admin_cleanup_query

/* Waits for the store; users have their own. */
#define CHAT(verb, tail, what, ...)                                                                                    \
    {                                                                                                                  \
        .method = (verb), .path = "/api/v1/" tail, .access = ACCESS_CHAT, .parks = true, .handle = endpoint_##what,    \
        __VA_ARGS__                                                                                                    \
    }
#define SESSION "chat/sessions/{session_id}"

/* The history of chats, whose fixed words may be written in any case. Those with more fixed words come first: of what GET sessions/sessions could mean
 * it is the session "sessions". */
#define HISTORY(verb, tail, who, what, ...)                                                                            \
    {                                                                                                                  \
        .method = (verb), .path = "/api/chathistory/" tail, .any_case = true, .access = (who), .parks = true,          \
        .handle = endpoint_history##what, __VA_ARGS__                                                                  \
    }
#define PREFERENCES "{userId}/preferences"

const struct route endpoints[] = {
    {
        .method = CGI_POST,
        .path = "/api/v1/enhanced-handle-message",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .input = &endpoint_message_input,
        .conversation = endpoint_message_conversation,
        .handle = endpoint_message,
    },
    {
        .method = CGI_GET,
        .path = "/health",
        .access = ACCESS_PUBLIC,
        .handle = endpoint_health,
    },
    {
        .method = CGI_GET,
        .path = "/api/v1/status/handler",
        .access = ACCESS_STATUS,
        .parks = true,
        .handle = endpoint_handler,
    },
    {
        .method = CGI_POST,
        .path = "/api/v1/chat/message",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .input = &endpoint_chat_input,
        .conversation = endpoint_chat_conversation,
        .handle = endpoint_chat,
    },
    {
        .method = CGI_GET,
        .path = "/api/v1/chat/jobs/{job_id}",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .query = &endpoint_job_query,
        .handle = endpoint_job,
    },
    {
        .method = CGI_DELETE,
        .path = "/api/v1/chat/jobs/{job_id}",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .handle = endpoint_job_cancel,
    },
    {
        .method = CGI_POST,
        .path = "/api/v1/chat/jobs/{job_id}/cancel",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .handle = endpoint_job_cancel,
    },
    {
        .method = CGI_GET,
        .path = "/api/v1/chat/jobs/{job_id}/events",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .handle = endpoint_job_events,
    },
    {
        .method = CGI_POST,
        .path = "/webhooks/pancake/{page_id}",
        .access = ACCESS_WEBHOOK,
        .parks = true,
        .input = &endpoint_webhook_input,
        .handle = endpoint_webhook,
        .busy = endpoint_webhook_busy,
    },
    CHAT(CGI_GET, SESSION, session, .query = NULL),
    {
        .method = CGI_PATCH,
        .path = "/api/v1/" SESSION,
        .access = ACCESS_PLATFORM,
        .parks = true,
        .input = &endpoint_session_patch_input,
        .handle = endpoint_session_patch,
    },
    CHAT(CGI_POST, SESSION "/messages", session_message, .input = &session_message_input, .user_input = &session_message_user_input,
         .conversation = endpoint_session_conversation),
    {
        .method = CGI_GET,
        .path = "/api/v1/" SESSION "/events",
        .access = ACCESS_SESSION,
        .parks = true,
        .query = &endpoint_session_events_query,
        .handle = endpoint_session_events,
    },
    CHAT(CGI_GET, "customers/{sender_id}", customer, .query = NULL),
    CHAT(CGI_POST, "tickets", ticket, .input = &endpoint_ticket_input, .user_input = &endpoint_ticket_user_input),
    ADMIN(CGI_GET, V1 "conversations", list, .query = &endpoint_admin_list_query),
    ADMIN(CGI_GET, V1 "conversations/{id}", show, .query = NULL),
    ADMIN(CGI_POST, V1 "conversations/{id}/cancel", cancel, .query = NULL),
    ADMIN(CGI_POST, V1 "conversations/{id}/resume", resume, .query = NULL),
    ADMIN(CGI_POST, V1 "conversations/{id}/pause", pause, .input = &endpoint_admin_pause_input),
    ADMIN(CGI_GET, V1 "messages/{message_id}", fate, .query = &endpoint_admin_fate_query),
    ADMIN(CGI_GET, V1 "health", health, .query = NULL),
    ADMIN(CGI_GET, V1 "stats", stats, .query = NULL),
    ADMIN(CGI_GET, V1 "cache", cache, .query = NULL),
    ADMIN(CGI_POST, V1 "system/cleanup", cleanup, CLEANUP),
    ADMIN(CGI_POST, "/admin/system/cleanup", cleanup, CLEANUP),
    ADMIN(CGI_GET, V1 "queue", queue, .query = NULL),
    ADMIN(CGI_GET, V1 "queue/dead", dead, .query = &endpoint_admin_dead_query),
    ADMIN(CGI_POST, V1 "queue/dead/{id}/retry", dead_retry, .query = NULL),
    ADMIN(CGI_DELETE, V1 "queue/dead/{id}", dead_discard, .query = NULL),
    HISTORY(CGI_POST, "sync", ACCESS_PLATFORM, _sync, .input = &endpoint_history_sync_input),
    HISTORY(CGI_GET, "analytics", ACCESS_ADMIN, _days, .query = &endpoint_history_days_query),
    HISTORY(CGI_GET, "analytics/{date}", ACCESS_ADMIN, _day, .query = NULL),
    HISTORY(CGI_GET, "sessions/{sessionId}", ACCESS_USER, _session, .query = NULL),
    HISTORY(CGI_PATCH, "sessions/{sessionId}/archive", ACCESS_USER, _archive, .query = NULL),
    HISTORY(CGI_GET, "{userId}/sessions", ACCESS_USER, _sessions, .query = NULL),
    HISTORY(CGI_GET, "{userId}/sessions/{sessionId}", ACCESS_USER, , .query = &endpoint_history_query),
    HISTORY(CGI_DELETE, "{userId}/sessions/{sessionId}", ACCESS_USER, _erase_session, .query = NULL),
    HISTORY(CGI_DELETE, "{userId}", ACCESS_USER, _erase_user, .query = NULL),
    HISTORY(CGI_GET, "{userId}/export", ACCESS_USER, _export, .query = NULL),
    HISTORY(CGI_GET, PREFERENCES, ACCESS_USER, _preferences, .query = NULL),
    HISTORY(CGI_PUT, PREFERENCES, ACCESS_USER, _preferences_put, .input = &endpoint_history_preferences_input),
    HISTORY(CGI_DELETE, PREFERENCES, ACCESS_USER, _preferences_delete, .query = NULL),
    SERVICES("bots"),
    SERVICES("ai-cores"),
    SERVICES("platforms"),
};
const size_t endpoints_n = ARRAY_LEN(endpoints);
