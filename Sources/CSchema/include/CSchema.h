// SPDX-License-Identifier: Apache-2.0
#ifndef CSCHEMA_H
#define CSCHEMA_H

#include <stddef.h>

/// The OpenRPC document `schema/openrpc.json`, byte for byte, as the compiler embedded it.
const unsigned char *procctl_schema_start(void);
extern const size_t procctl_schema_length;

#endif
