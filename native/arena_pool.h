// Memory that sessions compute in, one after the other: sessions of several sizes of a model share one arena as long as
// none of them runs beside another one.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "aligned_buffer.h"

namespace unskew {

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
