// Weights as a kernel reads them: packed once for all sessions that have the same constants, as those of several sizes of a model do.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "kernels/kernel.h"

namespace unskew {

struct PackedWeights {
  std::shared_ptr<const AlignedBuffer> constant;  // whose address is part of the key, and stays taken
  std::unique_ptr<AlignedBuffer> bytes;
  std::vector<int32_t> sums;       // [output channel][tap]: Σ over the input channels of w − zero point
  std::vector<double> magnitudes;  // [output channel]: Σ |w − zero point|
};

// The weights of a key: those that a session still has, else those that `make` returns.
template <class Make>
std::shared_ptr<const PackedWeights> shared_weights(const std::string& key, const Make& make) {
  static std::mutex mutex;
  static auto* known = new std::map<std::string, std::weak_ptr<const PackedWeights>>();  // threads outlive static objects
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known->find(key); found != known->end()) {
      if (std::shared_ptr<const PackedWeights> weights = found->second.lock()) return weights;
    }
  }
  const std::shared_ptr<const PackedWeights> made = make();
  const std::lock_guard lock(mutex);
  std::erase_if(*known, [](const auto& entry) { return entry.second.expired(); });
  known->insert_or_assign(key, made);
  return made;
}

}  // namespace unskew
