// The freestanding runtime (client/runtime), as the object file that this build made of it.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold::client {

ByteSpan RuntimeObject();

}  // namespace anchorhold::client
