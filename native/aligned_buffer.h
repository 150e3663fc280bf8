// Zeroed memory that starts on a cache line.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "checks.h"
#include "exhaustion.h"

namespace unskew {

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  explicit AlignedBuffer(int64_t bytes) : bytes_(bytes) {
    require(bytes >= 0 && bytes <= kMaximumSize, "a buffer of " + std::to_string(bytes) + " bytes is too large");
    const size_t rounded = (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
    data_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded)));
    if (data_ == nullptr) throw OutOfMemory("there is no memory for a buffer of " + std::to_string(bytes) + " bytes");
    std::memset(data_.get(), 0, rounded);
  }

  uint8_t* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  std::unique_ptr<uint8_t, Free> data_;
  int64_t bytes_;
};

}  // namespace unskew
