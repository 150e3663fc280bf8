#include "constant_memory.h"

#include <unistd.h>

#include <algorithm>
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
  if (own_) return own_->data();
  const uint8_t* lent = lender_();
  if (!file_ || file_->is_there(offset_, bytes_)) return lent;
  if (!again_) {
    auto read = std::make_shared<AlignedBuffer>(bytes_);
    file_->read(offset_, bytes_, read->data());
    again_ = std::move(read);
  }
  return again_->data();
}

const uint8_t* ConstantMemory::aligned(int64_t alignment) const {
  const uint8_t* lying = data();
  if (reinterpret_cast<uintptr_t>(lying) % static_cast<uintptr_t>(alignment) == 0) return lying;
  if (!again_) {
    again_ = std::make_shared<AlignedBuffer>(bytes_);
    std::memcpy(again_->data(), lying, static_cast<size_t>(bytes_));
  }
  return again_->data();
}

const std::shared_ptr<const AlignedBuffer>& ConstantMemory::kept() {
  if (!own_) {
    const uint8_t* from = data();
    own_ = again_ ? std::shared_ptr<const AlignedBuffer>(again_) : copied(from);
    again_ = nullptr;
    lender_ = nullptr;
  }
  return own_;
}

// Large ones go back part by part while they are copied.
std::shared_ptr<const AlignedBuffer> ConstantMemory::copied(const uint8_t* from) {
  constexpr int64_t kPart = 1 << 20;
  const auto copy = std::make_shared<AlignedBuffer>(bytes_);
  for (int64_t at = 0; at < bytes_;) {
    const int64_t end = std::min(bytes_, FileMemory::end_of_piece(offset_ + at + kPart) - offset_);
    std::memcpy(copy->data() + at, from + at, static_cast<size_t>(end - at));
    if (file_) file_->release(offset_ + at, end - at);
    at = end;
  }
  return copy;
}

// Pages at its ends may belong to others as well.
void release_pages(const uint8_t* begin, const uint8_t* end) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = reinterpret_cast<uintptr_t>(end) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace unskew
