// SPDX-License-Identifier: Apache-2.0
#ifndef BAWN_SESSION_VERSION_H
#define BAWN_SESSION_VERSION_H

#ifndef BAWN_VERSION
#error "the build defines BAWN_VERSION"
#endif

#endif
