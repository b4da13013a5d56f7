// SPDX-License-Identifier: Apache-2.0
// bawn-init launched before this program's own C library has started. That start costs a third of a
// millisecond on many virtual machines (each CPUID leaves to the hypervisor, and there are dozens), during
// which the other processor can make namespaces. Only where the program is linked with the entry point
// headstart_entry, and only for `bawn run`.
#ifndef BAWN_SANDBOX_HEADSTART_H
#define BAWN_SANDBOX_HEADSTART_H

#include "sandbox/launch.h"

// What was launched, once; false when nothing was. The caller gives it to a session or drops it
// (launch_drop).
bool headstart_take(struct launched *ret);

#endif
