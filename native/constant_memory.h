// Constants of sessions: bytes that never change. They are memory of their own, or lent by JavaScript; of lent ones a copy is made
// where runs read them, and none where they are packed when a session is made. Those of a file may have been given back to the system,
// and are read again where somebody asks for them. Others are there in packed forms alone.
#pragma once

#include <functional>
#include <memory>

#include "aligned_buffer.h"
#include "file_memory.h"
#include "kernels/packed_weights.h"

namespace unskew {

class ConstantMemory {
 public:
  // Where the bytes lie now. On the thread of JavaScript; throws InvalidArgument when they are not there any more.
  using Lender = std::function<const uint8_t*()>;

  explicit ConstantMemory(std::shared_ptr<const AlignedBuffer> own) : bytes_(own->bytes()), own_(std::move(own)) {}
  ConstantMemory(int64_t bytes, Lender lender) : bytes_(bytes), lender_(std::move(lender)) {}
  ConstantMemory(int64_t bytes, Lender lender, std::shared_ptr<FileMemory> file, int64_t offset)
      : bytes_(bytes), lender_(std::move(lender)), file_(std::move(file)), offset_(offset) {}
  ConstantMemory(int64_t bytes, const PackedForms& forms);
  ConstantMemory(const ConstantMemory&) = delete;
  ConstantMemory& operator=(const ConstantMemory&) = delete;

  // A number from 1 that no other constant of the process ever has, so that what is made of constants is found by it.
  int64_t id() const { return id_; }
  int64_t bytes() const { return bytes_; }
  bool is_lent() const { return lender_ != nullptr; }
  bool is_kept() const { return own_ != nullptr; }
  bool has_bytes() const { return is_kept() || is_lent(); }
  // Valid until JavaScript runs again, and until `forget`. Throws InvalidArgument where there are packed forms alone, FileChanged.
  const uint8_t* data() const;
  // The same at a multiple of `alignment`, which files know nothing of: a copy where they lie odd.
  const uint8_t* aligned(int64_t alignment) const;
  // Frees what was read from a file again, and what was copied to be aligned.
  void forget() { again_ = nullptr; }
  // The memory of the file that it lies in, for as long as it is lent; null: of none.
  FileMemory* file() const { return is_lent() ? file_.get() : nullptr; }
  int64_t offset() const { return offset_; }
  // The memory of its own.
  const std::shared_ptr<const AlignedBuffer>& kept();

 private:
  static int64_t next_id();
  std::shared_ptr<const AlignedBuffer> copied(const uint8_t* from);

  const int64_t id_ = next_id();
  const int64_t bytes_;
  std::shared_ptr<const AlignedBuffer> own_;
  Lender lender_;
  std::shared_ptr<FileMemory> file_;
  int64_t offset_ = 0;  // in the file
  mutable std::shared_ptr<AlignedBuffer> again_;
  PackedForms forms_;  // which kernels find by the number of the constant
};

// Gives the whole pages of a range of private memory back to the system, in the place of which zeros are read.
void release_pages(const uint8_t* begin, const uint8_t* end);

}  // namespace unskew
