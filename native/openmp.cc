// The functions of OpenMP that oneDNN (and GCC, for our own kernels) calls, on our team instead of libgomp's. The
// dynamic
// linker takes these before libgomp's, since it searches the addon before the libraries of the addon.
//
// libgomp gives each thread that starts regions a team of its own. As soon as there are more threads in such teams than
// processors, it stops looking out for the next region, and every region begins by waking threads up: five times as
// slow for
// a network of small layers. One thread that starts all regions would do; but then `runSync` is two wake-ups slower,
// and a
// member that is kept from its processor still keeps all others waiting.
#include <algorithm>

#include "team.h"

using unskew::part_of_thread;
using unskew::PartOfThread;

#define UNSKEW_OPENMP extern "C" [[gnu::visibility("default")]]

UNSKEW_OPENMP int omp_get_num_procs() { return unskew::processors(); }
UNSKEW_OPENMP int omp_get_thread_num() { return part_of_thread().number; }
UNSKEW_OPENMP int omp_get_num_threads() { return part_of_thread().count; }
UNSKEW_OPENMP int omp_in_parallel() { return part_of_thread().in_region ? 1 : 0; }

UNSKEW_OPENMP void omp_set_num_threads(int threads) { part_of_thread().maximum = std::max(1, threads); }

UNSKEW_OPENMP int omp_get_max_threads() {
  const int maximum = part_of_thread().maximum;
  return maximum > 0 ? maximum : unskew::processors();
}

// Nested regions have one thread, as in libgomp.
UNSKEW_OPENMP void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  PartOfThread& part = part_of_thread();
  const int wanted = threads == 0 ? omp_get_max_threads() : static_cast<int>(threads);
  if (!part.in_region && wanted > 1) return unskew::run_parts(body, data, wanted);
  const PartOfThread before = part;
  part.number = 0;
  part.count = 1;
  body(data);
  part = before;
}

UNSKEW_OPENMP void GOMP_barrier() { unskew::wait_for_all_parts(); }
