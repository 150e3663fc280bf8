// Weights as a kernel reads them: packed once for all sessions that have the same constants, as those of several sizes of a model do.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "kernels/kernel.h"

namespace unskew {

struct PackedWeights {
  std::unique_ptr<AlignedBuffer> bytes;
  std::vector<int32_t> sums;       // [output channel][tap]: Σ over the input channels of w − zero point
  std::vector<double> magnitudes;  // [output channel]: Σ |w − zero point|
};

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
    const std::lock_guard lock(mutex_);
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    known_.insert_or_assign(key, made);
    return made;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::weak_ptr<const Kept>> known_;
};

template <class Make>
std::shared_ptr<const PackedWeights> shared_weights(const std::string& key, const Make& make) {
  static auto* shelf = new Shelf<std::string, PackedWeights>();  // threads outlive static objects
  return shelf->get(key, make);
}

}  // namespace unskew
