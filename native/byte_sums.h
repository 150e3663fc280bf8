// Sums over signed bytes, for proofs and corrections: the only work on weights that grows with a model.
#pragma once

#include <cstdint>

namespace unskew {

// By block and column of blocks × rows × length bytes, the sum over the rows of all of them and of those above 0. Fewer
// than 2^24 rows, so that no sum leaves int32.
void byte_sums(const int8_t* bytes, int64_t blocks, int64_t rows, int64_t length, int32_t* sums, int32_t* aboves);

inline constexpr int64_t kMostSummedRows = (int64_t{1} << 24) - 1;

}  // namespace unskew
