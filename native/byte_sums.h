// Sums over signed bytes, for proofs and corrections: the only work on weights that grows with a model.
#pragma once

#include <cstdint>

namespace unskew {

// The sums over the rows, by block and column of blocks × rows × length bytes: of all bytes, and of the positive ones.
// Fewer
// than 2^24 rows, so that every sum fits int32.
void byte_sums(const int8_t* bytes, int64_t blocks, int64_t rows, int64_t length, int32_t* sums, int32_t* aboves);

inline constexpr int64_t kMostSummedRows = (int64_t{1} << 24) - 1;

}  // namespace unskew
