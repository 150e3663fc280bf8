// Tries implementations of oneDNN before they are used: one that gives wrong integers on this machine is passed over. What
// known_bugs.h lists was seen once; this is asked here and now, of every kind of problem, once per process.
#pragma once

#include <string>

#include "primitive_core.h"

namespace unskew {

// Why this implementation must not serve such convolutions or matrix products, or null: it gives wrong sums for a small one
// of the same kind. Null also where it does not take the small one.
const char* self_test(const std::string& implementation, const ConvolutionSpec& spec);
const char* self_test(const std::string& implementation, const MatmulSpec& spec);

// For tests: from now on, implementations whose name contains `part` give one wrong sum in self-tests; "" ends that. What
// was found before is forgotten.
void simulate_wrong_sums(const std::string& part);

// Counts the self-tests of this process, and their microseconds.
struct SelfTestTimes {
  int64_t count = 0;
  double microseconds = 0;
};
SelfTestTimes self_test_times();

}  // namespace unskew
