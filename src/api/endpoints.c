/* SPDX-License-Identifier: MIT
 * Who serves what, and for whom. The only list of paths. */
#include "config.h"

#include "api/endpoints.h"

const struct route endpoints[] = {
    {
        .method = CGI_POST,
        .path = "/api/v1/enhanced-handle-message",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .input = &endpoint_message_input,
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
        .path = "/api/v1/chat/jobs/{job_id}",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .handle = endpoint_job,
    },
};
const size_t endpoints_n = ARRAY_LEN(endpoints);
