// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_NAMES_H
#define CKERNEL_NAMES_H

/// The symbol of an errno value, "ENOENT" (strerrorname_np(3), glibc 2.32), or NULL for an unknown one.
/// A static string.
const char *pk_errno_name(int number);

/// The English text of an errno value (strerrordesc_np(3), glibc 2.32), whatever the locale, or NULL for an
/// unknown one. A static string.
const char *pk_errno_text(int number);

#endif
