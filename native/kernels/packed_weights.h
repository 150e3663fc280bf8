// Weights as a kernel reads them: packed once for all sessions that have the same constants, as those of several sizes of a model do.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "kernels/kernel.h"

namespace unskew {

struct PackedWeights {
  std::unique_ptr<AlignedBuffer> bytes;
  std::vector<int32_t> sums;       // [output channel][tap]: Σ over the input channels of w − zero point
  std::vector<double> magnitudes;  // [output channel]: Σ |w − zero point|
};

// A way to pack a constant, in words; weights that were packed the same way are the same.
using PackedForms = std::vector<std::pair<std::string, std::shared_ptr<const PackedWeights>>>;

// Things that sessions share, by key, for as long as one of them has them.
template <class Key, class Kept>
class Shelf {
 public:
  // What a session still has, else what `make` returns.
  template <class Make>
  std::shared_ptr<const Kept> get(const Key& key, const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = known_.find(key); found != known_.end()) {
        if (std::shared_ptr<const Kept> kept = found->second.lock()) return kept;
      }
    }
    const std::shared_ptr<const Kept> made = make();
    put(key, made);
    return made;
  }

  void put(const Key& key, const std::shared_ptr<const Kept>& kept) {
    const std::lock_guard lock(mutex_);
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    known_.insert_or_assign(key, kept);
  }

  // All that sessions have, with a key for which `is_wanted` holds.
  template <class IsWanted>
  std::vector<std::pair<Key, std::shared_ptr<const Kept>>> all(const IsWanted& is_wanted) {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<Key, std::shared_ptr<const Kept>>> found;
    for (const auto& [key, entry] : known_) {
      if (std::shared_ptr<const Kept> kept = entry.lock(); kept && is_wanted(key)) found.emplace_back(key, kept);
    }
    return found;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::weak_ptr<const Kept>> known_;
};

// By the constant, the byte in it, and the way.
using WeightsKey = std::tuple<int64_t, int64_t, std::string>;

inline Shelf<WeightsKey, PackedWeights>& shelf_of_weights() {
  static auto* shelf = new Shelf<WeightsKey, PackedWeights>();  // threads outlive static objects
  return *shelf;
}

}  // namespace unskew
