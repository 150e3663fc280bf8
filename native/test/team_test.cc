// The team and the functions of OpenMP over it: every part once, with its number; barriers; nested regions; members that
// come late; several threads that want the team at once. For AddressSanitizer (native/check_memory) and ThreadSanitizer.
#include <omp.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "team.h"

namespace unskew {
namespace {

void check(bool holds, const char* what) {
  if (!holds) std::fprintf(stderr, "team_test: %s\n", what), std::exit(1);
}

// Each part in turn sleeps, so that other members take the parts of its member.
void every_part_once(int threads) {
  for (int late = -1; late < threads; late++) {
    std::vector<int> seen(static_cast<size_t>(threads));
#pragma omp parallel num_threads(threads)
    {
      const int number = omp_get_thread_num();
      check(omp_get_num_threads() == threads && (omp_in_parallel() != 0) == (threads > 1),
            "a region has as many threads as were asked for");
      if (number == late) usleep(500);
      seen[static_cast<size_t>(number)]++;
    }
    for (int count : seen) check(count == 1, "every part runs once");
  }
  check(omp_get_num_threads() == 1 && omp_get_thread_num() == 0 && !omp_in_parallel(), "outside there is one thread");
}

// Without working barriers a part would read what its neighbour has not written yet.
void barriers(int threads) {
  std::vector<int> values(static_cast<size_t>(threads));
#pragma omp parallel num_threads(threads)
  {
    const int own = omp_get_thread_num(), next = (own + 1) % threads;
    for (int round = 1; round <= 50; round++) {
      if (round % 16 == own) usleep(200);
      values[static_cast<size_t>(own)] = round;
#pragma omp barrier
      check(values[static_cast<size_t>(next)] == round, "a barrier waits for every part");
#pragma omp barrier
    }
  }
}

void nested(int threads) {
  omp_set_num_threads(threads);
  std::atomic<int> runs = 0;
#pragma omp parallel
  {
    check(omp_get_max_threads() == threads, "a part inherits the number of threads");
    const int own = omp_get_thread_num();
#pragma omp parallel num_threads(4)
    {
      check(omp_get_num_threads() == 1 && omp_get_thread_num() == 0, "a nested region has one thread");
#pragma omp barrier
      runs++;
    }
    check(omp_get_thread_num() == own && omp_get_num_threads() == threads, "a nested region ends");
  }
  check(runs == threads, "nested regions run once each");
}

void contended(int threads) {
  std::atomic<int> inside = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; round++) {
        if (caller == 3) {
          const TeamScope scope(threads, TeamScope::IfFree{});
          if (scope.threads() == 1) continue;
          check(inside++ == 0, "one thread holds the team");
          inside--;
          continue;
        }
        const TeamScope scope(threads);
        check(inside++ == 0, "one thread holds the team");
        every_part_once(threads);
        inside--;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace unskew

int main() {
  const int threads = unskew::processors();
  for (int count = 1; count <= threads; count++) {
    unskew::every_part_once(count);
    unskew::barriers(count);
    if (count > 1) unskew::nested(count);
  }
  if (threads > 1) unskew::contended(threads);
  std::printf("team_test: passed with up to %d threads\n", threads);
}
