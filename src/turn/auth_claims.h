/* SPDX-License-Identifier: MIT
 * Who a JSON Web Token says that its bearer is. */
#ifndef TURN_AUTH_CLAIMS_H
#define TURN_AUTH_CLAIMS_H

#include "turn/auth.h"

/* Of claims that have been verified: role, user_id and credential, or ROLE_NOBODY with the reason. *out is as auth_check begins it. */
void auth_claims(const json_t *claims, struct auth_identity *out);

#endif
