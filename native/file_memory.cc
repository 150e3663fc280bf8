#include "file_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "constant_memory.h"

namespace unskew {

FileMemory::FileMemory(int descriptor, const uint8_t* begin, int64_t bytes)
    : descriptor_(descriptor), begin_(begin), bytes_(bytes), gone_(static_cast<size_t>((bytes + kPiece - 1) / kPiece)) {}

FileMemory::~FileMemory() { close(descriptor_); }

bool FileMemory::is_there(int64_t offset, int64_t bytes) const {
  if (is_whole_ || bytes == 0) return true;
  const auto first = gone_.begin() + offset / kPiece, last = gone_.begin() + (offset + bytes - 1) / kPiece + 1;
  return std::find(first, last, true) == last;
}

void FileMemory::release(int64_t offset, int64_t bytes) {
  const int64_t end = offset + bytes;
  const int64_t first = end_of_piece(offset) / kPiece, last = end == bytes_ ? pieces() : end / kPiece;
  const auto of = [&](int64_t piece) { return gone_.begin() + piece; };
  if (first >= last || std::find(of(first), of(last), false) == of(last)) return;
  if (sums_.empty()) sums_.resize(gone_.size());
  for (int64_t piece = first; piece < last; piece++) {
    const auto at = static_cast<size_t>(piece);
    if (!gone_[at]) sums_[at] = sum_of(begin_ + piece * kPiece, piece_bytes(piece));
    gone_[at] = true;
  }
  is_whole_ = false;
  release_pages(begin_ + first * kPiece, begin_ + std::min(last * kPiece, bytes_));
}

void FileMemory::read(int64_t offset, int64_t bytes, uint8_t* to) const {
  for (int64_t at = offset, end = offset + bytes; at < end;) {
    const int64_t first = at / kPiece;
    const bool gone = gone_[static_cast<size_t>(first)];
    int64_t last = first;
    while (last < pieces() && last * kPiece < end && gone_[static_cast<size_t>(last)] == gone) last++;
    const int64_t until = std::min(last * kPiece, end);
    if (gone) {
      read_gone(first, last, at, until, to);
    } else {
      std::memcpy(to, begin_ + at, static_cast<size_t>(until - at));
    }
    to += until - at;
    at = until;
  }
}

// The range lies in these pieces, of which it may begin and end within the first and the last one.
void FileMemory::read_gone(int64_t first, int64_t last, int64_t offset, int64_t end, uint8_t* to) const {
  uint8_t own[kPiece];
  for (int64_t piece = first; piece < last;) {
    const int64_t start = piece * kPiece, bytes = piece_bytes(piece);
    if (offset <= start && start + bytes <= end) {
      int64_t until = piece;
      while (until < last && until * kPiece + piece_bytes(until) <= end) until++;
      read_pieces(piece, until, to + (start - offset));
      piece = until;
      continue;
    }
    read_pieces(piece, piece + 1, own);
    const int64_t from = std::max(start, offset);
    std::memcpy(to + (from - offset), own + (from - start), static_cast<size_t>(std::min(start + bytes, end) - from));
    piece++;
  }
}

void FileMemory::read_pieces(int64_t first, int64_t last, uint8_t* to) const {
  const int64_t start = first * kPiece, bytes = std::min(last * kPiece, bytes_) - start;
  for (int64_t done = 0; done < bytes;) {
    const ssize_t count = pread(descriptor_, to + done, static_cast<size_t>(bytes - done), start + done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileChanged(std::string("it cannot be read: ") + std::strerror(errno));
    if (count == 0) throw FileChanged("it is shorter than it was");
    done += count;
  }
  for (int64_t piece = first; piece < last; piece++) {
    if (sum_of(to + (piece - first) * kPiece, piece_bytes(piece)) != sums_[static_cast<size_t>(piece)])
      throw FileChanged("it has other bytes than it had");
  }
}

// Tells changes apart that happen, not those that somebody makes up.
uint64_t FileMemory::sum_of(const uint8_t* from, int64_t bytes) {
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  uint64_t lanes[4] = {1, 2, 3, 4};
  int64_t at = 0;
  for (; at + 32 <= bytes; at += 32) {
    for (int lane = 0; lane < 4; lane++) {
      uint64_t word;
      std::memcpy(&word, from + at + 8 * lane, sizeof word);
      lanes[lane] = (lanes[lane] ^ word) * kFactor;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  }
  for (; at < bytes; at++) lanes[at % 4] = (lanes[at % 4] ^ from[at]) * kFactor;
  uint64_t sum = static_cast<uint64_t>(bytes);
  for (const uint64_t lane : lanes) sum = (sum ^ lane) * kFactor, sum ^= sum >> 32;
  return sum;
}

}  // namespace unskew
