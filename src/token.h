/* SPDX-License-Identifier: MIT
 * turnkeeperctl token: JSON Web Tokens for tests, scripts and services that have no identity provider. */
#ifndef TOKEN_H
#define TOKEN_H

#include "settings.h"

/* argv[0] is "token". Prints a token for the settings' JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE, or what the options say instead. The exit code: 0, 64 usage,
 * 78: there is nothing to sign with. */
int token_run(const struct settings *s, int argc, char **argv);

#endif
