// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_H
#define CKERNEL_H

// What Swift cannot import or must not run: each header is one subject.
#include "ancillary.h"
#include "closer.h"
#include "descriptors.h"
#include "events.h"
#include "image.h"
#include "inject.h"
#include "launch.h"
#include "names.h"
#include "process.h"
#include "memory.h"
#include "terminal.h"

#endif
