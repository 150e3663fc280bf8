// The inner loops of the AVX-512 convolution. For the .cc file only.
#pragma once

#include "kernels/convolution_steps_avx512.h"
#include "kernels/convolution_walk.h"
#include "kernels/finish_avx512.h"

namespace unskew {

// Weights are fetched so many steps before they are needed.
inline constexpr int kAhead = 8;

// The most bytes of a kernel row that are read as one run.
inline constexpr int64_t kRunLimit = 64;

// Output positions of one block of output channels.
template <int kVectors, bool kSigned>
class Part : WindowWalk {
 public:
  UNSKEW_AVX512 Part(const ConvolutionPlan& plan, const ChannelBlock& block, const uint8_t* source,
                     uint8_t* destination)
      : WindowWalk(plan, source + block.group * plan.inputs,
                   source + plan.p.batch * plan.p.input[0] * plan.p.input[1] * plan.p.channels),
        block_(block),
        destination_(destination),
        finish_(plan.p.to),
        factors_{lanes(plan.multiplier), lanes(plan.scale), lanes(plan.offset)},
        inputs_(plan.inputs),
        mask_(first_lanes(block.count)) {
    if (plan.sums.sums != nullptr) sums_ = plan.sums.sums + block.group * plan.sums.positions;
  }

  UNSKEW_AVX512 void run(int64_t begin, int64_t end) const {
    if (plan_.pointwise && inputs_ % 4 == 0) {
      const int32_t* base = plan_.base + block_.lane;
      if constexpr (kVectors == 1) {
        for (; begin + 2 * kPositions <= end; begin += 2 * kPositions)
          compute_two(begin, source_ + begin * p_.channels, p_.channels, base);
      }
      for (; begin + kPositions <= end; begin += kPositions)
        compute_inside(begin, source_ + begin * p_.channels, p_.channels, base);
      if (begin + 1 == end) compute_one(begin, base);
      if (begin + 1 >= end) return;
    }
    Cursor cursor = at(begin);
    for (int64_t first = begin; first < end; first += kPositions) {
      const int count = static_cast<int>(std::min<int64_t>(kPositions, end - first));
      if (count == kPositions && are_inside(cursor, kPositions)) {
        const WindowStart &row = plan_.rows[cursor.y], &column = plan_.columns[cursor.x];
        const uint8_t* start = source_ + cursor.image + row.offset + column.offset;
        const int32_t* base = plan_.base + block_.lane + row.base + column.base;
        const int64_t step = p_.strides[1] * p_.channels;
        const bool are_two = kVectors == 1 && (plan_.by_rows || inputs_ % 4 == 0) && first + 2 * kPositions <= end &&
                             are_inside(cursor, 2 * kPositions);
        if constexpr (kVectors == 1) {
          if (are_two) compute_two(first, start, step, base);
        }
        if (!are_two) compute_inside(first, start, step, base);
        if (are_two) first += kPositions;
        advance(cursor, are_two ? 2 * kPositions : kPositions);
      } else {
        compute(first, count, cursor);
      }
    }
  }

 private:
  const float* lanes(const float* of) const { return of == nullptr ? nullptr : of + block_.lane; }

  using Accumulators = __m512i[kPositions][kVectors];

  // The windows of the positions.
  struct Windows {
    int64_t row[kPositions], column[kPositions], offset[kPositions];  // where they begin
    int64_t base[kPositions];
    bool whole;  // all taps of all kPositions positions are inside
  };

  [[gnu::always_inline]] UNSKEW_AVX512 inline void compute_inside(int64_t first, const uint8_t* start, int64_t step,
                                                                  const int32_t* base) const {
    const auto* weights = reinterpret_cast<const __m512i*>(plan_.weights + block_.weights);
    Accumulators acc;
    repeat<kVectors>([&](auto v) UNSKEW_BODY {
      const __m512i own = _mm512_load_si512(base + v * 16);
      repeat<kPositions>([&](auto k) UNSKEW_BODY { acc[k][v] = own; });
    });
    if (sums_ != nullptr) correct(first, acc);
    const int64_t down = row_step(), right = p_.dilations[1] * p_.channels;
    const int64_t columns = plan_.by_rows ? 1 : p_.kernel[1], bytes = plan_.by_rows ? rounded_run() : inputs_;
    for (int64_t i = 0; i < p_.kernel[0]; i++, start += down) {
      const uint8_t* tap = start;
      for (int64_t j = 0; j < columns; j++, tap += right, weights += (bytes + 3) / 4 * kVectors) {
        const uint8_t* from[kPositions];
        repeat<kPositions>([&](auto k) UNSKEW_BODY { from[k] = tap + k * step; });
        add_channels<0, kPositions>(from, bytes, weights, acc);
      }
    }
    store(acc, first, kPositions);
  }

  // Two steps together, of one vector of channels and runs of whole words: the sums of one step would wait for themselves.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void compute_two(int64_t first, const uint8_t* start, int64_t step,
                                                               const int32_t* base) const {
    const auto* weights = reinterpret_cast<const __m512i*>(plan_.weights + block_.weights);
    Accumulators near_acc, far_acc;
    repeat<kPositions>([&](auto k) UNSKEW_BODY { near_acc[k][0] = far_acc[k][0] = _mm512_load_si512(base); });
    if (sums_ != nullptr) {
      correct(first, near_acc);
      correct(first + kPositions, far_acc);
    }
    const int64_t down = row_step(), right = p_.dilations[1] * p_.channels, thrice = 3 * step, five_times = 5 * step;
    const int64_t columns = plan_.by_rows ? 1 : p_.kernel[1], bytes = plan_.by_rows ? rounded_run() : inputs_;
    for (int64_t i = 0; i < p_.kernel[0]; i++, start += down) {
      const uint8_t* tap = start;
      for (int64_t j = 0; j < columns; j++, tap += right) {
        const uint8_t* far = tap + kPositions * step;
        for (const uint8_t *near = tap, *end = tap + bytes; near < end; near += 4, far += 4, weights++) {
          _mm_prefetch(reinterpret_cast<const char*>(weights + kAhead), _MM_HINT_T0);
          const __m512i w = _mm512_load_si512(weights);
          add_step<kSigned>(near, step, thrice, five_times, w, near_acc);
          add_step<kSigned>(far, step, thrice, five_times, w, far_acc);
        }
      }
    }
    store(near_acc, first, kPositions);
    store(far_acc, first + kPositions, kPositions);
  }

  // A row of a product of matrices.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void compute_one(int64_t first, const int32_t* base) const {
    Accumulators acc = {};
    repeat<kVectors>([&](auto v) UNSKEW_BODY { acc[0][v] = _mm512_load_si512(base + v * 16); });
    if (sums_ != nullptr) correct(first, acc);
    add_row<kVectors, kSigned>(source_ + first * p_.channels, inputs_,
                               reinterpret_cast<const __m512i*>(plan_.weights + block_.weights), acc[0]);
    store(acc, first, 1);
  }

  UNSKEW_AVX512 void compute(int64_t first, int count, Cursor& cursor) const {
    Windows windows;
    find(first, count, cursor, windows);
    const int32_t* base = plan_.base + block_.lane;
    Accumulators acc;
    repeat<kPositions>([&](auto k) UNSKEW_BODY {
      repeat<kVectors>([&](auto v) UNSKEW_BODY { acc[k][v] = _mm512_load_si512(base + windows.base[k] + v * 16); });
    });
    if (sums_ != nullptr) correct(first, acc);
    if (plan_.by_rows) {
      accumulate_rows(windows, count, acc);
    } else {
      accumulate(windows, count, acc);
    }
    store(acc, first, count);
  }

  // − z·Σ x of each window, z the zero point of the weights of each channel.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void correct(int64_t first, Accumulators& acc) const {
    if (plan_.sums.uniform) {
      repeat<kPositions>([&](auto k) UNSKEW_BODY {
        const __m512i sum = _mm512_set1_epi32(sums_[first + k]);
        repeat<kVectors>([&](auto v) UNSKEW_BODY { acc[k][v] = _mm512_add_epi32(acc[k][v], sum); });
      });
      return;
    }
    const auto* factors = reinterpret_cast<const __m512i*>(plan_.factors_of_sums + block_.lane);
    __m512i own[kVectors];
    repeat<kVectors>([&](auto v) UNSKEW_BODY { own[v] = _mm512_load_si512(factors + v); });
    repeat<kPositions>([&](auto k) UNSKEW_BODY {
      const __m512i sum = _mm512_set1_epi32(sums_[first + k]);
      repeat<kVectors>([&](auto v) UNSKEW_BODY {
        acc[k][v] = plan_.sums.wide ? _mm512_add_epi32(acc[k][v], _mm512_mullo_epi32(sum, own[v]))
                                    : _mm512_dpwssd_epi32(acc[k][v], sum, own[v]);
      });
    });
  }

  // Finds the windows of `count` positions, and fills the remaining places.
  [[gnu::always_inline]] inline void find(int64_t first, int count, Cursor& cursor, Windows& windows) const {
    windows.whole = count == kPositions;
    if (plan_.pointwise) {
      int64_t offset = first * p_.channels;
      for (int k = 0; k < kPositions; k++) {
        windows.offset[k] = offset;
        windows.base[k] = windows.row[k] = windows.column[k] = 0;
        offset += p_.channels;
      }
      return;
    }
    for (int k = 0; k < kPositions; k++) {
      const WindowStart &row = plan_.rows[cursor.y], &column = plan_.columns[cursor.x];
      windows.row[k] = row.at;
      windows.column[k] = column.at;
      windows.offset[k] = cursor.image + row.offset + column.offset;
      windows.base[k] = row.base + column.base;
      windows.whole = windows.whole && row.whole && column.whole;
      if (k < count) advance(cursor);  // a cursor beyond the last position would have no window
    }
  }

  [[gnu::always_inline]] UNSKEW_AVX512 inline void accumulate(const Windows& windows, int count,
                                                              Accumulators& acc) const {
    const auto* weights = reinterpret_cast<const __m512i*>(plan_.weights + block_.weights);
    const int64_t step = (inputs_ + 3) / 4 * kVectors;
    for (int64_t i = 0; i < p_.kernel[0]; i++) {
      for (int64_t j = 0; j < p_.kernel[1]; j++, weights += step) {
        const int64_t down = i * p_.dilations[0], right = j * p_.dilations[1];
        const int64_t offset = (down * p_.input[1] + right) * p_.channels;
        const uint8_t* from[kPositions];
        unsigned found = 0;
        for (int k = 0; k < kPositions; k++) {
          const bool inside = windows.whole || (k < count && is_inside(windows.row[k] + down, 0) &&
                                                is_inside(windows.column[k] + right, 1));
          from[k] = inside ? source_ + windows.offset[k] + offset : plan_.padding->data();
          found |= (inside ? 1u : 0u) << k;
        }
        if (found != 0) add_tap(found, from, weights, acc);
      }
    }
  }

  // The same where a run is a kernel row: the taps of a row that are outside are written out as zeros.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void accumulate_rows(const Windows& windows, int count,
                                                                   Accumulators& acc) const {
    const auto* weights = reinterpret_cast<const __m512i*>(plan_.weights + block_.weights);
    const int64_t bytes = rounded_run();
    const uint8_t* last = source_ + windows.offset[kPositions - 1];
    if (windows.whole && end_ - last >= (p_.kernel[0] - 1) * row_step() + bytes) {
      const uint8_t* from[kPositions];
      repeat<kPositions>([&](auto k) UNSKEW_BODY { from[k] = source_ + windows.offset[k]; });
      for (int64_t i = 0; i < p_.kernel[0]; i++) {
        for (int64_t c = 0; c < bytes; c += 4, weights += kVectors) add<0, kPositions>(from, c, weights, acc);
        repeat<kPositions>([&](auto k) UNSKEW_BODY { from[k] += row_step(); });
      }
      return;
    }
    alignas(64) uint8_t copies[kPositions][kRunLimit];
    for (int64_t i = 0; i < p_.kernel[0]; i++) {
      const int64_t down = i * p_.dilations[0];
      const uint8_t* from[kPositions];
      bool found = false;
      for (int k = 0; k < kPositions; k++) {
        from[k] = plan_.padding->data();
        if (!windows.whole && (k >= count || !is_inside(windows.row[k] + down, 0))) continue;
        found = true;
        const int64_t x = windows.column[k], offset = windows.offset[k] + i * row_step();
        if (windows.whole || (x >= 0 && x + p_.kernel[1] <= p_.input[1])) {
          from[k] = source_ + offset;
          if (end_ - from[k] >= bytes) continue;
        }
        const int64_t begin = std::clamp<int64_t>(-x, 0, p_.kernel[1]);
        const int64_t end = std::clamp<int64_t>(p_.input[1] - x, begin, p_.kernel[1]);
        std::memcpy(copies[k], plan_.padding->data(), bytes);
        std::memcpy(copies[k] + begin * inputs_, source_ + offset + begin * inputs_, (end - begin) * inputs_);
        from[k] = copies[k];
      }
      if (!found) {
        weights += bytes / 4 * kVectors;
        continue;
      }
      for (int64_t c = 0; c < bytes; c += 4, weights += kVectors) add<0, kPositions>(from, c, weights, acc);
    }
  }

  // Adds one tap, for the positions that have it inside. At the left and right of an image mostly one position has not.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void add_tap(unsigned found, const uint8_t* const* from,
                                                           const __m512i* weights, Accumulators& acc) const {
    if (found < 1u << 2) {
      add_channels<0, 2>(from, inputs_, weights, acc);
    } else if (found < 1u << 4) {
      add_channels<0, 4>(from, inputs_, weights, acc);
    } else if (found < 1u << (kPositions - 1)) {
      add_channels<0, kPositions - 1>(from, inputs_, weights, acc);
    } else if ((found & 1u) == 0) {
      add_channels<1, kPositions>(from, inputs_, weights, acc);
    } else {
      add_channels<0, kPositions>(from, inputs_, weights, acc);
    }
  }

  // `bytes` bytes of a run, for the positions [kBegin, kEnd).
  template <int kBegin, int kEnd>
  [[gnu::always_inline]] UNSKEW_AVX512 inline static void add_channels(const uint8_t* const* from, int64_t bytes,
                                                                       const __m512i* weights, Accumulators& acc) {
    const uint8_t* last[kPositions];
    alignas(4) uint8_t rest[kPositions][4];
    int64_t c = 0;
    for (const int64_t whole = bytes & ~int64_t{3}; c < whole; c += 4, weights += kVectors)
      add<kBegin, kEnd>(from, c, weights, acc);
    if (c == bytes) return;
      // Nothing is read beyond the source.
#pragma GCC unroll 7
    for (int k = 0; k < kPositions; k++) {
      last[k] = std::copy_n(from[k] + c, bytes - c, rest[k]) - (bytes - c);
    }
    add<kBegin, kEnd>(last, 0, weights, acc);
  }

  // Four input channels.
  template <int kBegin, int kEnd>
  [[gnu::always_inline]] UNSKEW_AVX512 inline static void add(const uint8_t* const* from, int64_t c,
                                                              const __m512i* weights, Accumulators& acc) {
    constexpr int kInRegisters = kVectors < 4 ? kVectors : 3;
    // Weights come from far away the first time, and hardware looks ahead no further than to the end of a page.
    repeat<kVectors>([&](auto v) UNSKEW_BODY {
      _mm_prefetch(reinterpret_cast<const char*>(weights + kAhead * kVectors + v), _MM_HINT_T0);
    });
    __m512i w[kInRegisters];
    repeat<kInRegisters>([&](auto v) UNSKEW_BODY { w[v] = _mm512_load_si512(weights + v); });
    repeat<kEnd - kBegin>([&](auto index) UNSKEW_BODY {
      constexpr int k = kBegin + decltype(index)::value;
      const __m512i x = broadcast_four<kSigned>(from[k] + c);
      repeat<kInRegisters>([&](auto v) UNSKEW_BODY { add_products(acc[k][v], x, w[v]); });
      if constexpr (kVectors == 4) add_from_memory(acc[k][3], x, weights + 3);
    });
  }

  [[gnu::always_inline]] UNSKEW_AVX512 inline void store(const Accumulators& acc, int64_t first, int count) const {
    switch (p_.type) {
      case OutputType::s32: return p_.floats ? store_floats(acc, first, count) : store_sums(acc, first, count);
      case OutputType::s8: return store_type<OutputType::s8>(acc, first, count);
      default: return store_type<OutputType::u8>(acc, first, count);
    }
  }

  template <OutputType kType>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_type(const Accumulators& acc, int64_t first, int count) const {
    if (plan_.stepped) return store_bytes<kType, ByteEnd::stepped>(acc, first, count);
    return plan_.overflows ? store_bytes<kType, ByteEnd::clamped>(acc, first, count)
                           : store_bytes<kType, ByteEnd::plain>(acc, first, count);
  }

  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_sums(const Accumulators& acc, int64_t first, int count) const {
    auto* to = reinterpret_cast<int32_t*>(destination_) + first * p_.outputs + block_.first;
    repeat<kPositions>([&](auto k) UNSKEW_BODY {
      if (k >= count) return;
      repeat<kVectors>([&](auto v) UNSKEW_BODY {
        _mm512_mask_storeu_epi32(to + k * p_.outputs + v * 16, static_cast<__mmask16>(mask_ >> v * 16), acc[k][v]);
      });
    });
  }

  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_floats(const Accumulators& acc, int64_t first,
                                                                int count) const {
    const FloatFinish finish(*p_.floats);
    auto* to = reinterpret_cast<int32_t*>(destination_) + first * p_.outputs + block_.first;
    repeat<kVectors>([&](auto v) UNSKEW_BODY {
      const __m512 scale = _mm512_load_ps(plan_.scale + block_.lane + v * 16);
      const __m512 offset = _mm512_load_ps(plan_.offset + block_.lane + v * 16);
      repeat<kPositions>([&](auto k) UNSKEW_BODY {
        if (k >= count) return;
        _mm512_mask_storeu_epi32(to + k * p_.outputs + v * 16, static_cast<__mmask16>(mask_ >> v * 16),
                                 finish.words(acc[k][v], scale, offset));
      });
    });
  }

  template <OutputType kType, ByteEnd kEnd>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_bytes(const Accumulators& acc, int64_t first,
                                                               int count) const {
    // Copies, since bytes that are written might be anything's.
    const Finish finish = finish_;
    const int64_t stride = plan_.slice.stride;
    const __mmask64 mask = mask_;
    const bool is_full = block_.count == kVectors * 16;
    const LaneFactors factors = factors_;
    uint8_t* to = destination_ + plan_.slice.offset + first * stride + block_.first;
    repeat<kPositions>([&](auto k) UNSKEW_BODY {
      if (k >= count) return;
      __m512i own[kVectors];
      repeat<kVectors>([&](auto v) UNSKEW_BODY { own[v] = acc[k][v]; });
      __m512i bytes = finish.template bytes<kType, kEnd, kVectors>(own, factors, 16);
      // Bytes lie as (vector 0, 1, 2, 3) in each lane of 16. Fewer vectors than four are wanted one after another.
      const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
      if constexpr (kVectors < 4) bytes = _mm512_permutexvar_epi32(order, bytes);
      if (is_full) {
        store_vectors<kVectors>(to, bytes);
      } else {
        _mm512_mask_storeu_epi8(to, mask, bytes);
      }
      to += stride;
    });
  }

  const ChannelBlock& block_;
  uint8_t* destination_;
  Finish finish_;
  LaneFactors factors_;
  int64_t inputs_;
  __mmask64 mask_;                 // of the channels there are
  const int32_t* sums_ = nullptr;  // of the windows of the group, where weights have zero points
};

}  // namespace unskew
