// Which instructions the kernels may use, and how many processors there are.
#pragma once

namespace unskew {

// avx2: with FMA. avx512: F, BW, DQ, VL and VNNI. Both as compiled with UNSKEW_AVX2 and UNSKEW_AVX512.
enum class Isa { scalar, avx2, avx512 };

#define UNSKEW_AVX2 __attribute__((target("avx2,fma")))
#define UNSKEW_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,prefer-vector-width=512")))
#define UNSKEW_AVX512_VBMI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx2,fma,prefer-vector-width=512")))

Isa best_isa();
bool has_vbmi();

// The number of threads to use where `wanted` are asked for: no more than the processors this process may run on,
// since a team whose members wait for each other's processor is slower than one thread.
int usable_threads(int wanted);

}  // namespace unskew
