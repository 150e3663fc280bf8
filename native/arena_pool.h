// Memory that sessions compute in, one after the other: sessions of several sizes of a model share one arena as long as
// none of them runs beside another one.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "aligned_buffer.h"

namespace unskew {

// Room for somewhat larger sizes to come. The system gives pages when they are written to, so that room takes no memory.
inline int64_t with_room(int64_t bytes) { return std::min(kMaximumSize, bytes + bytes / 2); }

// Idle memory that is so many times as large as anybody needs is freed.
inline constexpr int64_t kTooLarge = 4;

class ArenaPool {
 public:
  using Arena = std::unique_ptr<AlignedBuffer>;

  // An arena of at least so many bytes, whose contents are anything: the one that was given back last, where it is large enough.
  Arena take(int64_t bytes);
  void give(Arena arena);

  // A session that needs so many bytes comes and goes; `enter` returns by how much it needs more than any other one. The
  // pool has at most as many idle arenas as sessions, and none when all sessions have gone.
  int64_t enter(int64_t bytes);
  void leave(int64_t bytes);

 private:
  void trim(std::vector<Arena>& dropped);

  std::mutex mutex_;
  std::vector<Arena> idle_;
  std::vector<int64_t> needs_;  // of the sessions, sorted
};

}  // namespace unskew
