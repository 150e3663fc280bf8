// Tables of 256 bytes.
#pragma once

#include <cstdint>

#include "cpu_features.h"

namespace unskew {

// destination[i] = table[source[i]]; source and destination may be the same.
using ByteLookup = void (*)(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t count);

ByteLookup byte_lookup(Isa isa);

// The same for rows of `channels` bytes that lie one after another; their results are `stride` bytes apart.
using ByteRowLookup = void (*)(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t rows,
                               int64_t channels, int64_t stride);

ByteRowLookup byte_row_lookup(Isa isa);

}  // namespace unskew
