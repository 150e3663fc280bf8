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

// Positions [begin, end) by their taps, each kind as one chunk.
std::vector<Alike> by_taps(const std::vector<TapList>& widths, int64_t begin, int64_t end) {
  std::vector<Alike> parts;
  for (int64_t o = begin; o < end; o++) {
    const TapList& taps = widths[static_cast<size_t>(o)];
    auto found = std::find_if(parts.begin(), parts.end(), [&](const Alike& c) { return same_taps(*c.taps, taps); });
    if (found == parts.end()) found = parts.insert(parts.end(), {.taps = &taps, .chunks = {Chunk{}}});
    found->chunks[0].positions.push_back(o);
    found->chunks[0].shifts.push_back(taps.empty() ? 0 : taps[0].second - (*found->taps)[0].second);
  }
  return parts;
}

// A chunk in pieces of nearly the same size, `most` at the most.
std::vector<Chunk> cut(const Chunk& all, int64_t most) {
  const auto count = static_cast<int64_t>(all.positions.size()), pieces = (count + most - 1) / most;
  std::vector<Chunk> chunks;
  for (int64_t piece = 0; piece < pieces; piece++) {
    const int64_t begin = count * piece / pieces, end = count * (piece + 1) / pieces;
    chunks.push_back({{all.positions.begin() + begin, all.positions.begin() + end},
                      {all.shifts.begin() + begin, all.shifts.begin() + end}});
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
    Segment segment{.parts = by_taps(segments.widths, count * part / parts, count * (part + 1) / parts),
                    .first = INT64_MAX,
                    .last = INT64_MIN};
    for (Alike& alike : segment.parts) {
      const auto [least, most] = std::ranges::minmax(alike.chunks[0].shifts);
      for (const auto& [tap, at] : *alike.taps) {
        segment.first = std::min(segment.first, at + least);
        segment.last = std::max(segment.last, at + most);
      }
      alike.chunks = cut(alike.chunks[0], most_rows);
    }
    if (segment.first > segment.last) segment.first = 0, segment.last = -1;
    segments.list.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace unskew
