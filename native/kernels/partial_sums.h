// The order in which the elements of a run are joined: element i belongs to partial result i mod 16, and the 16 partial results are
// joined by halves. src/numerics/partial_sums.ts is the twin.
//
// `Terms` has the type `Element` of the partial results, and static functions over scalars and vectors of any width:
// `convert` (an element as read, to `Element`) and `join(a, b)` (two results to the first). A join with elements is
// `add(result, element)` of an object, which may hold a mean.
#pragma once

#include "kernels/vectors.h"

namespace unskew {

inline constexpr int kPartials = 16;

// results[i mod kPartials·columns] joined with source[i], for `count` elements: runs of `columns` neighbours at once, or one run.
// `count` is at most kPartials·columns.
template <int kBytes, class Terms, class T>
UNSKEW_INLINE void join_elements(const Terms& terms, const T* source, int64_t count, typename Terms::Element* results) {
  using Element = typename Terms::Element;
  constexpr int kLanes = std::min<int>(kBytes / sizeof(Element), kPartials);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Vector<T, kLanes> x;
    Vector<Element, kLanes> element, result;
    load_vector(source + i, x);
    load_vector(results + i, result);
    terms.convert(x, element);
    terms.add(result, element);
    store_vector(result, results + i);
  }
  for (; i < count; i++) {
    Element element;
    terms.convert(source[i], element);
    terms.add(results[i], element);
  }
}

// Joins the kPartials results of each of `columns` runs, which lie `columns` apart; the outcome is in the first ones.
template <class Terms>
UNSKEW_INLINE void join_by_halves(typename Terms::Element* results, int64_t columns) {
  for (int64_t half = kPartials / 2 * columns; half >= columns; half /= 2) {
    for (int64_t i = 0; i < half; i++) Terms::join(results[i], results[i + half]);
  }
}

// The result of one run of neighbouring elements; `start` is neutral.
template <int kBytes, class Terms, class T>
UNSKEW_INLINE typename Terms::Element fold_run(const Terms& terms, const T* source, int64_t count,
                                               typename Terms::Element start) {
  using Element = typename Terms::Element;
  constexpr int kLanes = std::min<int>(kBytes / sizeof(Element), kPartials), kVectors = kPartials / kLanes;
  Element results[kPartials];
  std::fill_n(results, kPartials, start);
  Vector<Element, kLanes> sums[kVectors];
  for (int v = 0; v < kVectors; v++) load_vector(results + v * kLanes, sums[v]);
  int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials) {
    for (int v = 0; v < kVectors; v++) {
      Vector<T, kLanes> x;
      Vector<Element, kLanes> element;
      load_vector(source + i + v * kLanes, x);
      terms.convert(x, element);
      terms.add(sums[v], element);
    }
  }
  for (int v = 0; v < kVectors; v++) store_vector(sums[v], results + v * kLanes);
  join_elements<kBytes>(terms, source + i, count - i, results);
  join_by_halves<Terms>(results, 1);
  return results[0];
}

// The elements of a reduction, converted to the type in which it computes.
template <class A>
struct Converted {
  using Element = A;
  template <class X>
  UNSKEW_INLINE static void convert(const X& x, A& to) {
    to = static_cast<A>(x);
  }
  template <class X, class V>
  requires(!std::is_arithmetic_v<X>) UNSKEW_INLINE static void convert(const X& x, V& to) {
    to = __builtin_convertvector(x, V);
  }
};

template <class A>
struct SumOf : Converted<A> {
  template <class V>
  UNSKEW_INLINE static void join(V& a, const V& b) {
    a += b;
  }
  template <class V>
  UNSKEW_INLINE static void add(V& sum, const V& x) {
    sum += x;
  }
};
using SumOfDoubles = SumOf<double>;

}  // namespace unskew
