// Reads the declarations of kernels that move elements.
#include "kernel_readers/reader.h"
#include "kernels/gather_at.h"
#include "kernels/range.h"
#include "kernels/scatter.h"

namespace unskew {

namespace {

constexpr std::pair<const char*, bool> kPositionTypes[] = {{"s32", false}, {"s64", true}};

KernelProgram copy(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_copy({r.element_bytes(), shape, r.strides("sourceStrides", shape.size()),
                    r.strides("destinationStrides", shape.size()), r.size("sourceOffset"), r.size("destinationOffset")},
                   r.target);
}

KernelProgram pad(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  const int rank = static_cast<int>(shape.size());
  return make_pad({r.element_bytes(), shape, r["padsBegin"].integers(rank, 0, kMaximumCount),
                   r["padsEnd"].integers(rank, 0, kMaximumCount),
                   static_cast<uint64_t>(r["value"].integer(-(int64_t{1} << 53), int64_t{1} << 53))},
                  r.target);
}

KernelProgram gather(const Reader& r) {
  return make_gather({r.element_bytes(), r.size("outer"), r.size("size"), r.size("inner"),
                      r["positions"].integers(-1, 0, kMaximumCount)},
                     r.target);
}

KernelProgram gather_at(const Reader& r) {
  return make_gather_at({r.element_bytes(), r.size("outer"), r["sizes"].integers(-1, 0, kMaximumCount), r.size("part"),
                         r.size("count"), r["byOuter"].boolean(), r["positions"].choice(kPositionTypes)},
                        r.target);
}

KernelProgram along(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_along({r.element_bytes(), shape, r.strides("strides", shape.size()), r.size("axis"), r.size("size"),
                     r.size("elements"), r["scatters"].boolean(), r["positions"].choice(kPositionTypes)},
                    r.target);
}

KernelProgram scatter_at(const Reader& r) {
  return make_scatter_at({r.element_bytes(), r["sizes"].integers(-1, 0, kMaximumCount), r.size("part"), r.size("count"),
                          r["positions"].choice(kPositionTypes)},
                         r.target);
}

KernelProgram lookup(const Reader& r) {
  return make_lookup({r.element_bytes(), r.size("size", 1), r.size("count")}, r.target);
}

KernelProgram gather_channels(const Reader& r) {
  return make_gather_channels(
      {r.size("rows"), r.size("channels"), r["lanes"].integers(-1, 0, kMaximumCount), r["flip"].boolean()}, r.target);
}

KernelProgram range(const Reader& r) {
  static constexpr std::pair<const char*, RangeType> kTypes[] = {{"s16", RangeType::s16},
                                                                 {"s32", RangeType::s32},
                                                                 {"s64", RangeType::s64},
                                                                 {"f32", RangeType::f32},
                                                                 {"f64", RangeType::f64}};
  return make_range({r["type"].choice(kTypes), r.size("count")}, r.target);
}

KernelProgram numbers(const Reader& r) {
  return make_numbers(r["values"].integers(-1, -(int64_t{1} << 53), int64_t{1} << 53), r.target);
}

}  // namespace

const KernelReaders kMovementReaders = {{"copy", copy},     {"pad", pad},
                                        {"gather", gather}, {"gather-at", gather_at},
                                        {"along", along},   {"scatter-at", scatter_at},
                                        {"lookup", lookup}, {"gather-channels", gather_channels},
                                        {"range", range},   {"numbers", numbers}};

}  // namespace unskew
