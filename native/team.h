// The threads that compute together. There is one team in a process: a thread that runs something on several threads (a
// run
// on the executor, `runSync` on a thread of JavaScript, packing) holds the team meanwhile and is its first member, so
// that
// never more threads compute together than there are processors. openmp.cc gives it to oneDNN as OpenMP's threads.
//
// A region has a number of parts. Member k takes part k, and a member that has finished its own takes parts that nobody
// has
// begun: a member that the system keeps from its processor delays only the part it is in, and nobody waits for one that
// sleeps. Parts may wait for each other (barriers): there is a member for each, so a waiting part never keeps another
// one
// from being begun.
#pragma once

#include <cstdint>

namespace unskew {

using PartBody = void (*)(void* data);

// The answers of OpenMP's functions for the calling thread.
struct PartOfThread {
  int number = 0;
  int count = 1;
  int maximum = 0;  // as omp_set_num_threads left it; 0: all processors
  bool in_region = false;
};
PartOfThread& part_of_thread();

// Processors that this process might run on when it asked first: primitives count on a team that stays as large as it was.
int processors();

// The next activity after the team is released: something soon, for which members look out a little, or JavaScript,
// which
// wants a processor at once and should not have to wait until the system takes it from a member that looks out.
enum class Next { soon, javascript };

// Holds the team for the calling thread; scopes may be nested. Others wait, and get it in the order in which they came.
class TeamScope {
 public:
  // Does nothing for one thread. Throws OutOfThreads when the system gives no more threads.
  explicit TeamScope(int threads, Next next = Next::soon);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

  // The team if nobody holds it, else one thread: `threads()` tells.
  struct IfFree {};
  TeamScope(int threads, IfFree);
  int threads() const { return threads_; }

 private:
  int threads_;
  Next next_ = Next::soon;
};

// Regions that the calling thread starts meanwhile have one thread, and wait for nobody.
class AloneScope {
 public:
  AloneScope() : before_(part_of_thread().in_region) { part_of_thread().in_region = true; }
  ~AloneScope() { part_of_thread().in_region = before_; }
  AloneScope(const AloneScope&) = delete;
  AloneScope& operator=(const AloneScope&) = delete;

 private:
  bool before_;
};

// body(data) once for every part in [0, parts), each with its number in part_of_thread(); returns when all have ended. Not
// within a region.
void run_parts(PartBody body, void* data, int parts);

// Within a region: returns when every part has come here.
void wait_for_all_parts();

}  // namespace unskew
