// The boxes of each class whose score is above a threshold, the best first, without those that overlap one before. Boxes lie apart by their
// ends, so that a block of chosen ones is compared with a box at once.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/counted.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 16;

// The ends of boxes along both axes, and their areas: whole blocks, filled up with NaN, which overlaps nothing.
struct Boxes {
  float *left, *right, *low, *high, *area;

  Boxes(float* memory, int64_t room)
      : left(memory), right(memory + room), low(memory + 2 * room), high(memory + 3 * room), area(memory + 4 * room) {}

  void set(int64_t to, const Boxes& from, int64_t at) const {
    left[to] = from.left[at];
    right[to] = from.right[at];
    low[to] = from.low[at];
    high[to] = from.high[at];
    area[to] = from.area[at];
  }
};

// Of two ends in any order; NaN where one is.
void order(float a, float b, float& least, float& most) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  least = a < b ? a : b <= a ? b : nan;
  most = a < b ? b : b <= a ? a : nan;
}

void read_box(const float* box, bool by_centre, const Boxes& to, int64_t at) {
  if (by_centre) {
    to.left[at] = box[0] - box[2] / 2;
    to.right[at] = box[0] + box[2] / 2;
    to.low[at] = box[1] - box[3] / 2;
    to.high[at] = box[1] + box[3] / 2;
  } else {
    order(box[0], box[2], to.left[at], to.right[at]);
    order(box[1], box[3], to.low[at], to.high[at]);
  }
  to.area[at] = (to.right[at] - to.left[at]) * (to.high[at] - to.low[at]);
}

// True when the box shares more than `threshold` of the area that either of both covers with one of a block. Most lie apart.
#define UNSKEW_OVERLAPS(name, attribute)                                                                         \
  attribute bool name(const Boxes& others, int64_t count, const Boxes& all, int64_t at, float threshold) {       \
    const float left = all.left[at], right = all.right[at], low = all.low[at], high = all.high[at];              \
    const float area = all.area[at];                                                                             \
    for (int64_t block = 0; block < count; block += kBlock) {                                                    \
      const float *lefts = others.left + block, *rights = others.right + block, *lows = others.low + block,      \
                  *highs = others.high + block, *areas = others.area + block;                                    \
      int touches = 0;                                                                                           \
      for (int64_t j = 0; j < kBlock; j++)                                                                       \
        touches |= (rights[j] > left) & (right > lefts[j]) & (highs[j] > low) & (high > lows[j]);                \
      if (touches == 0) continue;                                                                                \
      int overlaps = 0;                                                                                          \
      for (int64_t j = 0; j < kBlock; j++) {                                                                     \
        const float width = (right < rights[j] ? right : rights[j]) - (left > lefts[j] ? left : lefts[j]);       \
        const float height = (high < highs[j] ? high : highs[j]) - (low > lows[j] ? low : lows[j]);              \
        const float both = width * height, covered = area + areas[j] - both;                                     \
        overlaps |= (rights[j] > left) & (right > lefts[j]) & (highs[j] > low) & (high > lows[j]) & (width > 0) & \
                    (height > 0) & (both > 0) & (areas[j] > 0) & (covered > 0) & (both / covered > threshold);   \
      }                                                                                                          \
      if (overlaps != 0) return true;                                                                            \
    }                                                                                                            \
    return false;                                                                                                \
  }

UNSKEW_OVERLAPS(overlaps_scalar, )
UNSKEW_OVERLAPS(overlaps_avx2, UNSKEW_AVX2)
UNSKEW_OVERLAPS(overlaps_avx512, UNSKEW_AVX512)
#undef UNSKEW_OVERLAPS

using Overlaps = bool (*)(const Boxes&, int64_t, const Boxes&, int64_t, float);

Overlaps overlaps_for(Isa isa) {
  if (isa == Isa::avx512) return overlaps_avx512;
  return isa == Isa::avx2 ? overlaps_avx2 : overlaps_scalar;
}

// Larger scores come first, of equal ones the first box: ascending keys.
uint64_t key_of(float score, int64_t box) {
  const float value = score + 0.0f;  // −0 equals +0
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t ascending = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return uint64_t{~ascending} << 32 | static_cast<uint32_t>(box);
}

class NonMaxSuppression {
 public:
  NonMaxSuppression(const NonMaxSuppressionParams& p, const KernelTarget& target)
      : p_(p),
        overlaps_(overlaps_for(target.isa)),
        room_(checked_add(p.most, kBlock)),
        all_(checked_product(5, p.boxes, 4)),
        chosen_(checked_product(5, room_, 4)),
        keys_(checked_product(p.boxes, 8)) {}

  void run(Addresses a) const {
    const auto* boxes = reinterpret_cast<const float*>(a[0]);
    const auto* scores = reinterpret_cast<const float*>(a[1]);
    auto* to = reinterpret_cast<int64_t*>(a[2]);
    const Boxes all(all_.as<float>(), p_.boxes);
    int64_t found = 0;
    for (int64_t batch = 0; batch < p_.batches; batch++) {
      for (int64_t i = 0; i < p_.boxes; i++) read_box(boxes + (batch * p_.boxes + i) * 4, p_.by_centre, all, i);
      for (int64_t one = 0; one < p_.classes; one++)
        found = choose(all, scores + (batch * p_.classes + one) * p_.boxes, batch, one, to, found);
    }
    to[p_.batches * p_.classes * p_.most * 3] = found;
  }

 private:
  // The number of rows behind those of this class.
  int64_t choose(const Boxes& all, const float* scores, int64_t batch, int64_t one, int64_t* to, int64_t found) const {
    auto* keys = keys_.as<uint64_t>();
    int64_t count = 0;
    for (int64_t i = 0; i < p_.boxes; i++)
      if (scores[i] > p_.score) keys[count++] = key_of(scores[i], i);
    std::sort(keys, keys + count);
    const Boxes chosen(chosen_.as<float>(), room_);
    int64_t kept = 0;
    for (int64_t k = 0; k < count && kept < p_.most; k++) {
      const auto box = static_cast<int64_t>(keys[k] & 0xffffffffu);
      if (all.area[box] > 0 && overlaps_(chosen, kept, all, box, p_.overlap)) continue;
      // a block begins with boxes that overlap nothing
      if (kept % kBlock == 0)
        for (float* of : {chosen.left, chosen.right, chosen.low, chosen.high, chosen.area})
          std::fill_n(of + kept, kBlock, std::numeric_limits<float>::quiet_NaN());
      chosen.set(kept++, all, box);
      int64_t* row = to + 3 * found++;
      row[0] = batch;
      row[1] = one;
      row[2] = box;
    }
    return found;
  }

  NonMaxSuppressionParams p_;
  Overlaps overlaps_;
  int64_t room_;  // for whole blocks of chosen ones
  AlignedBuffer all_, chosen_, keys_;
};

}  // namespace

KernelProgram make_non_max_suppression(const NonMaxSuppressionParams& p, const KernelTarget& target) {
  require(p.most <= p.boxes, "non-max-suppression: more boxes are chosen than there are");
  require(p.boxes <= INT32_MAX, "non-max-suppression: there are more boxes than 2^31 - 1");
  const int64_t room = checked_add(checked_product(p.batches, p.classes, p.most, 3), 1);
  KernelProgram program;
  program.arguments = {
      {.name = "boxes", .bytes = checked_product(p.batches, p.boxes, 16), .alignment = 4},
      {.name = "scores", .bytes = checked_product(p.batches, p.classes, p.boxes, 4), .alignment = 4},
      {.name = "destination", .bytes = checked_multiply(room, 8), .access = Access::write, .alignment = 8}};
  program.run = [nms = std::make_shared<const NonMaxSuppression>(p, target)](Addresses a) { nms->run(a); };
  return program;
}

}  // namespace unskew
