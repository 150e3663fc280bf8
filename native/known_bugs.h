// Implementations of oneDNN that give wrong results, or worse, for some convolutions; they are passed over.
#pragma once

#include <string>

#include "primitive_core.h"

namespace unskew {

// Why this implementation must not serve this convolution, or null.
const char* known_bug(const std::string& implementation, const ConvolutionSpec& spec);

}  // namespace unskew
