// Tables of 256 bytes.
#pragma once

#include <cstdint>

#include "cpu_features.h"

namespace unskew {

// destination[i] = table[source[i]]; source and destination may be the same.
using ByteLookup = void (*)(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t count);

ByteLookup byte_lookup(Isa isa);

}  // namespace unskew
