// How a declared value is read, wherever it lies: every access is checked, and every error names the place, the expected value and
// the received one.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace unskew {

// `Self` tells `is_number`, `is_boolean`, `is_text` and `count` (of an array, else −1), gives `as_number`, `as_boolean`, `as_text` and
// `elements`, and refuses.
template <class Self>
class Readings {
 public:
  bool boolean() const {
    if (!self().is_boolean()) self().refuse("a boolean");
    return self().as_boolean();
  }
  double number() const {
    if (!self().is_number()) self().refuse("a number");
    return self().as_number();
  }
  int64_t integer(int64_t minimum, int64_t maximum) const {
    const double value = self().is_number() ? self().as_number() : std::nan("");
    const bool good =
        std::trunc(value) == value && value >= static_cast<double>(minimum) && value <= static_cast<double>(maximum);
    if (!good) self().refuse("an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum));
    return static_cast<int64_t>(value);
  }
  std::string text() const {
    if (!self().is_text()) self().refuse("a string");
    return self().as_text();
  }
  // A list of integers; `count` elements unless that is negative.
  std::vector<int64_t> integers(int count, int64_t minimum, int64_t maximum) const {
    const int64_t there = self().count();
    if (there < 0 || (count >= 0 && there != count)) {
      self().refuse(count >= 0 ? "an array of " + std::to_string(count) + " integers" : "an array of integers");
    }
    std::vector<int64_t> result;
    for (const Self& element : self().elements()) result.push_back(element.integer(minimum, maximum));
    return result;
  }
  template <size_t N>
  std::array<int64_t, N> tuple(int64_t minimum, int64_t maximum) const {
    const std::vector<int64_t> values = integers(static_cast<int>(N), minimum, maximum);
    std::array<int64_t, N> result{};
    std::copy(values.begin(), values.end(), result.begin());
    return result;
  }
  // One of the names of a table of {name, meaning}.
  template <class Table>
  auto choice(const Table& table) const {
    if (self().is_text()) {
      const std::string& name = self().as_text();
      for (const auto& [known, meaning] : table) {
        if (name == known) return meaning;
      }
    }
    std::string names;
    for (const auto& [known, meaning] : table) names += (names.empty() ? "'" : ", '") + std::string(known) + "'";
    self().refuse("one of " + names);
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace unskew
