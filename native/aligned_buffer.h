// Zeroed memory that starts on a cache line.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "checks.h"
#include "exhaustion.h"

namespace unskew {

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  explicit AlignedBuffer(int64_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}

  uint8_t* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }
  int64_t bytes() const { return bytes_; }

 private:
  // Large ones come from the system, zeroed, and go back to it: in the heap, arenas of ever other sizes leave gaps in which the
  // next one has no room.
  static constexpr size_t kMappedFrom = size_t{1} << 17;

  struct Free {
    size_t mapped;  // bytes; 0: of the heap
    void operator()(uint8_t* data) const {
      if (mapped > 0) {
        munmap(data, mapped);
      } else {
        std::free(data);
      }
    }
  };
  using Owned = std::unique_ptr<uint8_t, Free>;

  static Owned allocate(int64_t bytes) {
    require(bytes >= 0 && bytes <= kMaximumSize,
            [&] { return "a buffer of " + std::to_string(bytes) + " bytes is too large"; });
    const size_t rounded = (std::max(static_cast<size_t>(bytes), size_t{1}) + kAlignment - 1) / kAlignment * kAlignment;
    const bool mapped = rounded >= kMappedFrom;
    void* data = mapped ? mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                        : std::aligned_alloc(kAlignment, rounded);
    if (data == nullptr || data == MAP_FAILED) {
      throw OutOfMemory("the system does not have the memory for a buffer of " + std::to_string(bytes) + " bytes");
    }
    if (!mapped) std::memset(data, 0, rounded);
    return {static_cast<uint8_t*>(data), Free{mapped ? rounded : 0}};
  }

  Owned data_;
  int64_t bytes_;
};

}  // namespace unskew
