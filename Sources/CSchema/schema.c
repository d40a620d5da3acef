// SPDX-License-Identifier: Apache-2.0
#include "CSchema.h"

static const unsigned char schema[] = {
#embed "../../schema/openrpc.json"
};

const size_t procctl_schema_length = sizeof schema;

const unsigned char *procctl_schema_start(void)
{
    return schema;
}
