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

// Things that sessions share, by key, for as long as one of them has them. A key names everything that they depend on.
template <class Key, class Kept>
class Shelf {
 public:
  // What a session still has, else what `make` returns. `fits` says whether it has the sizes that a kernel reads: a compiled file may
  // bring constants of its own, and a key may lack something.
  template <class Make, class Fits>
  std::shared_ptr<const Kept> get(const Key& key, const Make& make, const Fits& fits) {
    std::shared_ptr<const Kept> kept = known(key);
    if (!kept) put(key, kept = make());
    require(fits(*kept), "packed constants have another size");
    return kept;
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
  std::shared_ptr<const Kept> known(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    return found == known_.end() ? nullptr : found->second.lock();
  }

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
