#include "constant_memory.h"

#include <unistd.h>

#include <atomic>

namespace unskew {

int64_t ConstantMemory::next_id() {
  static std::atomic<int64_t> last{0};
  return ++last;
}

ConstantMemory::ConstantMemory(int64_t bytes, const PackedForms& forms) : bytes_(bytes), forms_(forms) {
  for (const auto& [way, weights] : forms_) shelf_of_weights().put({id_, 0, way}, weights);
}

const uint8_t* ConstantMemory::data() const {
  require(has_bytes(), "a constant is there in packed forms alone");
  return own_ ? own_->data() : lender_();
}

const std::shared_ptr<const AlignedBuffer>& ConstantMemory::kept() {
  if (!own_) {
    const auto copy = std::make_shared<AlignedBuffer>(bytes_);
    if (bytes_ > 0) std::memcpy(copy->data(), data(), static_cast<size_t>(bytes_));
    own_ = copy;
    lender_ = nullptr;
  }
  return own_;
}

// Pages at its ends may belong to others as well.
void release_pages(const uint8_t* begin, const uint8_t* end) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = reinterpret_cast<uintptr_t>(end) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace unskew
