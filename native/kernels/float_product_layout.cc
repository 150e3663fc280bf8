#include "kernels/float_product_layout.h"

#include <algorithm>

namespace unskew {

namespace {

// For every output position of an axis the taps inside the input, or all of them.
std::vector<TapList> taps_of_axis(const FloatProductParams& p, int axis_number, bool with_pads) {
  const auto axis = static_cast<size_t>(axis_number);
  std::vector<TapList> all(static_cast<size_t>(p.output[axis]));
  for (int64_t o = 0; o < p.output[axis]; o++) {
    for (int64_t tap = 0; tap < p.kernel[axis]; tap++) {
      int64_t at = p.transposed ? o + p.begin[axis] - tap * p.dilations[axis]
                                : o * p.strides[axis] - p.begin[axis] + tap * p.dilations[axis];
      if (p.transposed && (at < 0 || at % p.strides[axis] != 0)) continue;
      if (p.transposed) at /= p.strides[axis];
      if (with_pads || (at >= 0 && at < p.input[axis])) all[static_cast<size_t>(o)].emplace_back(tap, at);
    }
  }
  return all;
}

bool same_taps(const TapList& a, const TapList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

// Output columns that read through the same taps, and input columns behind those of the first.
struct Positions {
  const TapList* taps;
  std::vector<int64_t> columns, shifts;
};

// Positions [begin, end) by their taps.
std::vector<Positions> by_taps(const std::vector<TapList>& widths, int64_t begin, int64_t end) {
  std::vector<Positions> all;
  for (int64_t o = begin; o < end; o++) {
    const TapList& taps = widths[static_cast<size_t>(o)];
    auto found = std::find_if(all.begin(), all.end(), [&](const Positions& p) { return same_taps(*p.taps, taps); });
    if (found == all.end()) found = all.insert(all.end(), {.taps = &taps, .columns = {}, .shifts = {}});
    found->columns.push_back(o);
    found->shifts.push_back(taps.empty() ? 0 : taps[0].second - (*found->taps)[0].second);
  }
  return all;
}

// Positions at equal distances, in pieces of nearly the same size, `most` at the most.
std::vector<Chunk> cut(const Positions& all, int64_t most) {
  std::vector<Chunk> chunks;
  const size_t total = all.columns.size();
  for (size_t begin = 0, end; begin < total; begin = end) {
    const auto distance = [&](const std::vector<int64_t>& of, size_t at) { return at < total ? of[at] - of[at - 1] : 0; };
    const int64_t column_step = distance(all.columns, begin + 1), shift_step = distance(all.shifts, begin + 1);
    for (end = begin + 1; end < total; end++)
      if (distance(all.columns, end) != column_step || distance(all.shifts, end) != shift_step) break;
    const auto count = static_cast<int64_t>(end - begin), pieces = (count + most - 1) / most;
    for (int64_t piece = 0; piece < pieces; piece++) {
      const int64_t first = count * piece / pieces, last = count * (piece + 1) / pieces;
      chunks.push_back({last - first, all.columns[begin] + first * column_step, column_step,
                        all.shifts[begin] + first * shift_step, shift_step});
    }
  }
  return chunks;
}

}  // namespace

Segments make_segments(const FloatProductParams& p, int64_t most_columns, int64_t most_rows, bool with_pads) {
  with_pads = with_pads && !p.transposed;
  Segments segments{.depths = taps_of_axis(p, 0, false),
                    .heights = taps_of_axis(p, 1, false),
                    .widths = taps_of_axis(p, 2, with_pads),
                    .list = {}};
  const int64_t count = p.output[2], parts = (count + most_columns - 1) / std::max<int64_t>(1, most_columns);
  for (int64_t part = 0; part < parts; part++) {
    Segment segment{.parts = {}, .first = INT64_MAX, .last = INT64_MIN};
    for (const Positions& alike : by_taps(segments.widths, count * part / parts, count * (part + 1) / parts)) {
      const auto [least, most] = std::ranges::minmax(alike.shifts);
      for (const auto& [tap, at] : *alike.taps) {
        segment.first = std::min(segment.first, at + least);
        segment.last = std::max(segment.last, at + most);
      }
      segment.parts.push_back({.taps = alike.taps, .chunks = cut(alike, most_rows)});
    }
    if (segment.first > segment.last) segment.first = 0, segment.last = -1;
    segments.list.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace unskew
