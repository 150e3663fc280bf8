#include "arena_pool.h"

#include <algorithm>

namespace unskew {

ArenaPool::Arena ArenaPool::take(int64_t bytes) {
  Arena small;  // freed behind the lock
  bool grows = false;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = idle_.size(); i-- > 0;) {
      if (idle_[i]->bytes() < bytes) continue;
      Arena arena = std::move(idle_[i]);
      idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
      return arena;
    }
    grows = !idle_.empty();
    if (grows) {
      small = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  small.reset();
  return std::make_unique<AlignedBuffer>(grows ? with_room(bytes) : bytes);
}

void ArenaPool::give(Arena arena) {
  std::vector<Arena> dropped;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(arena));
  trim(dropped);
}

int64_t ArenaPool::enter(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const int64_t most = needs_.empty() ? 0 : needs_.back();
  needs_.insert(std::upper_bound(needs_.begin(), needs_.end(), bytes), bytes);
  return std::max<int64_t>(0, bytes - most);
}

void ArenaPool::leave(int64_t bytes) {
  std::vector<Arena> dropped;
  const std::lock_guard lock(mutex_);
  needs_.erase(std::lower_bound(needs_.begin(), needs_.end(), bytes));
  trim(dropped);
}

void ArenaPool::trim(std::vector<Arena>& dropped) {
  const int64_t most = needs_.empty() ? 0 : needs_.back();
  const auto keeps = [&](const Arena& arena) { return !needs_.empty() && arena->bytes() / kTooLarge <= most; };
  const auto end = std::stable_partition(idle_.begin(), idle_.end(), keeps);
  std::move(end, idle_.end(), std::back_inserter(dropped));
  idle_.erase(end, idle_.end());
  while (idle_.size() > needs_.size()) {
    dropped.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
}

}  // namespace unskew
