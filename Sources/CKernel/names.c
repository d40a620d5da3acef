// SPDX-License-Identifier: Apache-2.0
// Both functions are declared under _GNU_SOURCE only, which Swift's Glibc module does not define.
#define _GNU_SOURCE
#include "names.h"

#include <string.h>

const char *pk_errno_name(int number) { return strerrorname_np(number); }

const char *pk_errno_text(int number) { return strerrordesc_np(number); }
