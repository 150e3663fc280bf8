// A walk over the output positions of a convolution, and where their windows lie.
#pragma once

#include "kernels/convolution.h"

namespace unskew {

// An output position, and where the image begins in the source.
struct Cursor {
  int64_t x, y, image;
};

// `source` begins at the channels of a group.
class WindowWalk {
 protected:
  WindowWalk(const ConvolutionPlan& plan, const uint8_t* source, const uint8_t* end)
      : plan_(plan), p_(plan.p), source_(source), end_(end) {}

  Cursor at(int64_t position) const {
    const int64_t row = position / p_.output[1];
    return {position % p_.output[1], row % p_.output[0], row / p_.output[0] * image_bytes()};
  }
  int64_t image_bytes() const { return p_.input[0] * p_.input[1] * p_.channels; }

  // True when so many positions from here on lie in one row, and all taps of their windows in the input: the windows
  // are of one class, and `step` apart. Layers of few input channels spend more on finding windows than on sums.
  bool are_inside(const Cursor& cursor, int64_t count) const {
    if (plan_.pointwise || cursor.x + count > p_.output[1] || !plan_.rows[cursor.y].whole ||
        !plan_.columns[cursor.x].whole || !plan_.columns[cursor.x + count - 1].whole)
      return false;
    // Nothing is read beyond the source.
    const uint8_t* start =
        source_ + cursor.image + plan_.rows[cursor.y].offset + plan_.columns[cursor.x + count - 1].offset;
    return !plan_.by_rows || end_ - start >= (p_.kernel[0] - 1) * row_step() + rounded_run();
  }
  int64_t row_step() const { return p_.dilations[0] * p_.input[1] * p_.channels; }
  int64_t rounded_run() const { return (plan_.run_bytes + 3) / 4 * 4; }
  bool is_inside(int64_t at, int axis) const { return at >= 0 && at < p_.input[axis]; }

  [[gnu::always_inline]] inline void advance(Cursor& cursor, int64_t by = 1) const {
    cursor.x += by;
    if (cursor.x < p_.output[1]) return;
    cursor.x = 0;
    if (++cursor.y < p_.output[0]) return;
    cursor.y = 0;
    cursor.image += image_bytes();
  }

  const ConvolutionPlan& plan_;
  const ConvolutionParams& p_;
  const uint8_t* source_;
  const uint8_t* end_;  // of the source
};

}  // namespace unskew
