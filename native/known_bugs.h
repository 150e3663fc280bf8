// Implementations of oneDNN that give wrong results, or worse, for some arguments. They are passed over, but for those that
// serve all the same when the caller goes around a defect.
#pragma once

#include <string>
#include <vector>

#include "primitive_core.h"

namespace unskew {

// Why this implementation, which chose that layout of the weights, must not serve this convolution, or null.
const char* known_bug(const std::string& implementation, const ConvolutionSpec& spec, const Desc& weights);

// The parts of a convolution that this implementation computes wrongly, by the names of binding.ts (Defect): the lowering takes
// another path for them.
std::vector<std::string> defects_of(const std::string& implementation, const ConvolutionSpec& spec);

// Why weights of which any layout was good cannot be brought to the chosen one, or null.
const char* known_weights_bug(const Desc& given, const Desc& chosen);

// True when reorders between these layouts lose elements. Seen with 3.7.2: from a plain layout to blocks that are not
// full,
// such as s8[1,1,2] to ABc4b16a4b, all but the first position of a block arrive as zeros.
bool reorder_is_wrong(const Desc& source, const Desc& destination);

}  // namespace unskew
