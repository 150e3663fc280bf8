#include "team.h"

#include <emmintrin.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

#include "exhaustion.h"
#include "named_thread.h"

namespace unskew {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// The time that a member looks out before it sleeps. During a run the next region is near, and so is the end of a part
// that
// another member has begun, unless the system has taken that member's processor away: then ours is of use to it.
constexpr int kMicrosecondsWithinRun = 100, kMicrosecondsBeforeAnother = 20;

template <class Condition, class Limit>
bool look_out(const Condition& condition, const Limit& limit) {
  if (condition()) return true;
  const auto start = Clock::now();
  do {
    for (int i = 0; i < 16; i++) {
      _mm_pause();
      if (condition()) return true;
    }
  } while (Clock::now() - start < microseconds(limit()));
  return condition();
}

template <class Condition>
bool look_out(const Condition& condition) {
  return look_out(condition, [] { return kMicrosecondsWithinRun; });
}

// Lets a thread run on every processor that the calling one may use, but for one.
void keep_off(pid_t thread, int processor) {
  cpu_set_t others;
  if (sched_getaffinity(0, sizeof others, &others) != 0) return;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) > 0) sched_setaffinity(thread, sizeof others, &others);
}

// Locks in the order of arrival: a mutex would let the executor, which unlocks and locks again at once, have it for ever.
class FairLock {
 public:
  void lock() {
    const uint32_t ticket = next_.fetch_add(1);
    for (uint32_t now = served_.load(); now != ticket; now = served_.load()) served_.wait(now);
  }
  bool try_lock() {
    uint32_t ticket = served_.load();
    return next_.compare_exchange_strong(ticket, ticket + 1);
  }
  void unlock() {
    served_.fetch_add(1);
    served_.notify_all();
  }

 private:
  std::atomic<uint32_t> next_{0}, served_{0};
};

class Team {
 public:
  Team()
      : most_(processors()),
        claims_(std::make_unique<Claim[]>(static_cast<size_t>(most_))),
        threads_(std::make_unique<std::atomic<pid_t>[]>(static_cast<size_t>(most_))) {}

  void hold(int threads) {
    if (held_by_thread()++ > 0) return;
    lock_.lock();
    begin(threads);
  }

  bool hold_if_free(int threads) {
    if (held_by_thread() == 0 && !lock_.try_lock()) return false;
    if (held_by_thread()++ == 0) begin(threads);
    return true;
  }

  void release(Next next) {
    if (--held_by_thread() > 0) return;
    patience_ = next == Next::soon ? kMicrosecondsBeforeAnother : 0;
    lock_.unlock();
  }

  void run(PartBody body, void* data, int parts) {
    parts = std::min(parts, members_);
    if (parts <= 1) return run_alone(body, data);
    body_ = body;
    data_ = data;
    maximum_ = part_of_thread().maximum;
    unfinished_.store(parts, std::memory_order_relaxed);
    arrived_.store(0, std::memory_order_relaxed);
    const uint64_t region =
        ((region_.load(std::memory_order_relaxed) >> kPartsBits) + 1) << kPartsBits | static_cast<uint64_t>(parts);
    // Whoever goes to sleep says so first and looks at the region then. It is woken once: it may take long to come.
    region_.store(region);
    if (anyone_sleeps_.load() && anyone_sleeps_.exchange(false)) {
      keep_members_off(sched_getcpu());
      bell_.fetch_add(1);
      bell_.notify_all();
    }
    take_parts(region, 0);
    if (look_out([&] { return unfinished_.load(std::memory_order_acquire) == 0; })) return;
    for (int left = unfinished_.load(); left != 0; left = unfinished_.load()) unfinished_.wait(left);
  }

  void barrier() {
    const int count = part_of_thread().count;
    const uint32_t before = passed_.load();
    if (arrived_.fetch_add(1) + 1 == count) {
      arrived_.store(0);
      passed_.fetch_add(1);
      passed_.notify_all();
      return;
    }
    if (look_out([&] { return passed_.load(std::memory_order_acquire) != before; })) return;
    while (passed_.load() == before) passed_.wait(before);
  }

 private:
  static constexpr int kPartsBits = 16;

  // The last region in which someone took this part.
  struct alignas(64) Claim {
    std::atomic<uint64_t> region{0};
  };

  static int& held_by_thread() {
    static thread_local int held = 0;
    return held;
  }

  // By whoever has just got the lock.
  void begin(int threads) {
    patience_ = kMicrosecondsWithinRun;
    try {
      for (threads = std::min(threads, most_); members_ < threads; members_++) {
        start_thread("unskew-" + std::to_string(members_), [this, member = members_] { work(member); });
      }
    } catch (const std::system_error& error) {
      release(Next::soon);
      throw OutOfThreads(std::string("the system does not start another thread: ") + error.what());
    }
  }

  // Before members are woken: the system wakes a thread up where its waker runs when all other processors seem busy (JavaScript
  // has just handed a run over and is about to wait), and there it would wait until the run is over. What is asked of the
  // system takes a microsecond, and only when the caller has moved.
  void keep_members_off(int processor) {
    if (processor < 0 || processor == kept_off_) return;
    kept_off_ = processor;
    for (int member = 1; member < members_; member++) {
      const pid_t thread = threads_[static_cast<size_t>(member)].load();
      if (thread != 0) keep_off(thread, processor);
    }
  }

  static void run_alone(PartBody body, void* data) {
    PartOfThread& part = part_of_thread();
    const PartOfThread before = part;
    part.number = 0;
    part.count = 1;
    body(data);
    part = before;
  }

  // A claim is for the newest region, or for an older one whose parts have all been taken: only a member with a claim
  // knows
  // that the region still lasts, and may read it.
  bool claim(uint64_t region, int part) {
    std::atomic<uint64_t>& claimed = claims_[static_cast<size_t>(part)].region;
    uint64_t last = claimed.load(std::memory_order_relaxed);
    return last < region && claimed.compare_exchange_strong(last, region);
  }

  void take_parts(uint64_t region, int own) {
    const auto parts = static_cast<int>(region & ((1u << kPartsBits) - 1));
    for (int i = 0; i < parts; i++) {
      const int number = (own + i) % parts;
      if (!claim(region, number)) continue;
      PartOfThread& part = part_of_thread();
      const PartOfThread before = part;
      part = {number, parts, maximum_, true};
      body_(data_);
      part = before;
      if (unfinished_.fetch_sub(1) == 1) unfinished_.notify_one();
    }
  }

  void work(int member) {
    threads_[static_cast<size_t>(member)].store(static_cast<pid_t>(syscall(SYS_gettid)));
    uint64_t seen = 0;
    for (;;) {
      const auto changed = [&] { return region_.load(std::memory_order_acquire) != seen; };
      while (!look_out(changed, [&] { return patience_.load(std::memory_order_relaxed); })) {
        const uint32_t rung = bell_.load();
        anyone_sleeps_.store(true);
        if (region_.load() != seen) break;
        bell_.wait(rung);
      }
      seen = region_.load();
      if (member < static_cast<int>(seen & ((1u << kPartsBits) - 1))) take_parts(seen, member);
    }
  }

  const int most_;
  FairLock lock_;
  int members_ = 1;  // under the lock, as all that follows is written
  PartBody body_ = nullptr;
  void* data_ = nullptr;
  int maximum_ = 0;
  std::unique_ptr<Claim[]> claims_;
  std::unique_ptr<std::atomic<pid_t>[]> threads_;  // of the members, 0 until they run
  alignas(64) std::atomic<uint64_t> region_{0};    // counted, with the number of its parts in the low bits
  alignas(64) std::atomic<int> unfinished_{0};
  alignas(64) std::atomic<int> arrived_{0};
  std::atomic<uint32_t> passed_{0};
  alignas(64) std::atomic<bool> anyone_sleeps_{false};
  std::atomic<int> patience_{0};  // microseconds
  int kept_off_ = -1;             // the processor where no member may run: that of who last rang
  std::atomic<uint32_t> bell_{0};
};

// Never destroyed: its threads live as long as the process.
Team& team() {
  static auto* const instance = new Team;
  return *instance;
}

}  // namespace

PartOfThread& part_of_thread() {
  static thread_local PartOfThread part;
  return part;
}

int processors() {
  static const int count = [] {
    cpu_set_t set;
    const long all = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    return static_cast<int>(std::clamp(all, 1L, 4096L));
  }();
  return count;
}

TeamScope::TeamScope(int threads, Next next) : threads_(threads), next_(next) {
  if (threads_ > 1) team().hold(threads_);
}

TeamScope::TeamScope(int threads, IfFree) : threads_(threads) {
  if (threads_ > 1 && !team().hold_if_free(threads_)) threads_ = 1;
}

TeamScope::~TeamScope() {
  if (threads_ > 1) team().release(next_);
}

void run_parts(PartBody body, void* data, int parts) {
  const TeamScope scope(parts);
  team().run(body, data, parts);
}

void wait_for_all_parts() {
  if (part_of_thread().count > 1) team().barrier();
}

}  // namespace unskew
