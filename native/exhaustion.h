// Errors of a system without more memory or threads, told apart from wrong arguments: the caller may ask for less, or
// again
// later.
#pragma once

#include <new>
#include <stdexcept>
#include <string>

namespace unskew {

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

struct OutOfThreads : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace unskew
