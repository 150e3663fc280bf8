// Constant weights in the layout that a primitive chose.
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "known_bugs.h"
#include "primitive_core.h"
#include "team.h"

namespace unskew {

namespace {

// The places of the elements along each axis: the place of an element is the sum over the axes. An index of an axis
// with
// blocks b1, b2 is the digits (outer, d1, d2), innermost last, and each digit has a stride of its own.
std::vector<std::vector<int64_t>> places(const BlockedLayout& layout) {
  const size_t count = layout.inner_blocks.size();
  std::vector<int64_t> inner(count, 1);
  for (size_t i = count; i-- > 1;) inner[i - 1] = inner[i] * layout.inner_blocks[i];
  std::vector<std::vector<int64_t>> all;
  for (size_t axis = 0; axis < layout.dims.size(); axis++) {
    auto& along = all.emplace_back();
    for (int64_t index = 0; index < layout.dims[axis]; index++) {
      int64_t place = 0, rest = index;
      for (size_t i = count; i-- > 0;) {
        if (layout.inner_axes[i] != static_cast<int64_t>(axis)) continue;
        place += rest % layout.inner_blocks[i] * inner[i];
        rest /= layout.inner_blocks[i];
      }
      along.push_back(place + rest * layout.strides[axis]);
    }
  }
  return all;
}

template <class Element>
void place(const Element* from, Element* to, const std::vector<std::vector<int64_t>>& sources,
           const std::vector<std::vector<int64_t>>& destinations, size_t axis = 0) {
  const auto &source = sources[axis], &destination = destinations[axis];
  for (size_t i = 0; i < source.size(); i++) {
    if (axis + 1 == sources.size()) {
      to[destination[i]] = from[source[i]];
    } else {
      place(from + source[i], to + destination[i], sources, destinations, axis + 1);
    }
  }
}

// Element by element, where oneDNN's own reorder is known to be wrong. Blocks that are not full keep their zeros.
void pack_by_element(const uint8_t* bytes, const Desc& source, const Desc& destination, uint8_t* packed) {
  const BlockedLayout from = layout_of(source), to = layout_of(destination);
  const int64_t width = type_bytes(type_of(destination));
  require(from.known && to.known && type_of(source) == type_of(destination),
          "pack: no way from " + describe(source) + " to " + describe(destination));
  const auto sources = places(from), destinations = places(to);
  require(!is_compensated(destination), "pack: no way to the compensated " + describe(destination));
  if (width == 1) {
    place(bytes, packed, sources, destinations);
  } else {
    place(reinterpret_cast<const uint32_t*>(bytes), reinterpret_cast<uint32_t*>(packed), sources, destinations);
  }
}

void reorder(const PrimitiveCore& core, const uint8_t* bytes, const Desc& source, const Desc& destination,
             uint8_t* packed) {
  const AlignedBuffer scratchpad(core.scratchpad_bytes);
  const ThreadScope scope(core.threads);
  dnnl::stream stream(engine());
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_FROM, dnnl::memory(source, engine(), const_cast<uint8_t*>(bytes))},
      {DNNL_ARG_TO, dnnl::memory(destination, engine(), packed)}};
  for (const auto& argument : core.arguments) {
    if (argument.id == DNNL_ARG_SCRATCHPAD) {
      arguments.emplace(argument.id, dnnl::memory(argument.desc, engine(), scratchpad.data()));
    }
  }
  core.primitive.execute(stream, arguments);
  stream.wait();
}

}  // namespace

bool is_compensated(const Desc& desc) {
  const BlockedLayout layout = layout_of(desc);
  if (!layout.known) return true;
  const Dims block = block_sizes(layout);
  int64_t elements = std::accumulate(block.begin(), block.end(), int64_t{1}, std::multiplies<>());
  for (size_t axis = 0; axis < block.size(); axis++) {
    elements += (layout.dims[axis] - 1) / block[axis] * layout.strides[axis];
  }
  return static_cast<int64_t>(desc.get_size()) > elements * type_bytes(type_of(desc));
}

std::shared_ptr<AlignedBuffer> pack(const uint8_t* bytes, const Desc& source, const Desc& destination, int threads) {
  auto packed = std::make_shared<AlignedBuffer>(static_cast<int64_t>(destination.get_size()));
  std::unique_ptr<AlignedBuffer> aligned;
  if (reinterpret_cast<uintptr_t>(bytes) % type_bytes(type_of(source)) != 0) {
    aligned = std::make_unique<AlignedBuffer>(static_cast<int64_t>(source.get_size()));
    std::memcpy(aligned->data(), bytes, source.get_size());
    bytes = aligned->data();
  }
  if (reorder_is_wrong(source, destination)) {
    pack_by_element(bytes, source, destination, packed->data());
  } else {
    // The result does not depend on the number of threads, so while others compute one will do.
    const TeamScope team(usable_threads(threads), TeamScope::IfFree{});
    reorder(*make_reorder(source, destination, team.threads()), bytes, source, destination, packed->data());
  }
  return packed;
}

}  // namespace unskew
