// The bytes of a file in memory of JavaScript, of which parts may go back to the system: they are read from the file again, and taken
// where they are the same. The file is open as long, so that it may be moved, replaced or deleted meanwhile; one that was written to is refused.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace unskew {

struct FileChanged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// On the thread of JavaScript alone.
class FileMemory {
 public:
  // `begin` lies still for as long; the descriptor is closed at the end.
  FileMemory(int descriptor, const uint8_t* begin, int64_t bytes);
  ~FileMemory();
  FileMemory(const FileMemory&) = delete;
  FileMemory& operator=(const FileMemory&) = delete;

  const uint8_t* begin() const { return begin_; }
  int64_t bytes() const { return bytes_; }
  bool is_there(int64_t offset, int64_t bytes) const;
  // Gives the whole pieces of the range back to the system.
  void release(int64_t offset, int64_t bytes);
  // Copies the range, from memory or from the file. Throws FileChanged.
  void read(int64_t offset, int64_t bytes, uint8_t* to) const;
  // The first end of a piece from `offset` on.
  static int64_t end_of_piece(int64_t offset) { return (offset + kPiece - 1) / kPiece * kPiece; }

 private:
  static constexpr int64_t kPiece = 4096;
  static uint64_t sum_of(const uint8_t* from, int64_t bytes);

  void read_gone(int64_t first, int64_t last, int64_t offset, int64_t end, uint8_t* to) const;
  void read_pieces(int64_t first, int64_t last, uint8_t* to) const;
  int64_t piece_bytes(int64_t piece) const { return piece == pieces() - 1 ? bytes_ - piece * kPiece : kPiece; }
  int64_t pieces() const { return static_cast<int64_t>(gone_.size()); }

  int descriptor_;
  const uint8_t* begin_;
  int64_t bytes_;
  std::vector<bool> gone_;      // by piece
  std::vector<uint64_t> sums_;  // of the pieces that are gone
  bool is_whole_ = true;
};

}  // namespace unskew
