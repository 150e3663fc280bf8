// A session without Node.js: runs a compiled plan, on the calling thread or in order on an executor.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

#include "arena_pool.h"
#include "executor.h"
#include "session_plan.h"
#include "team.h"

namespace unskew {

using BufferList = std::vector<uint8_t*>;

class SessionCore : public std::enable_shared_from_this<SessionCore> {
 public:
  // Runs take their arenas from the pool.
  SessionCore(const SessionPlan& plan, std::shared_ptr<ArenaPool> arenas = std::make_shared<ArenaPool>())
      : SessionCore(plan, compile_plan(plan), std::move(arenas)) {}
  SessionCore(const SessionPlan& plan, CompiledPlan compiled, std::shared_ptr<ArenaPool> arenas);
  ~SessionCore();
  SessionCore(const SessionCore&) = delete;
  SessionCore& operator=(const SessionCore&) = delete;

  // Called once, on the executor or in close(), with null when the run succeeded.
  using Finished = std::function<void(std::exception_ptr error)>;

  // Runs on the calling thread, after the submitted runs. `microseconds` (may be null) receives the time of each step.
  void run(const BufferList& inputs, const BufferList& outputs, double* microseconds = nullptr);

  // Runs on the calling thread where it is not kept longer than it takes to hand a run over: the last run was quick, no
  // other one runs or waits, and the team is free. False when nothing has been computed; `submit` does it then.
  bool run_if_quick(const BufferList& inputs, const BufferList& outputs);

  // Runs on an executor: the team's, where sessions take turns, or the session's own when it uses one thread. The inputs are read before it
  // returns: each is copied or, if nothing else runs, taken by the first steps when these are as quick. The outputs stay valid until `finished`,
  // and so do inputs that nobody changes, which are not copied then.
  void submit(const BufferList& inputs, bool are_unchanging, BufferList outputs, Finished finished);

  // Computes by another plan from now on, as a new session would, behind the runs that were submitted. Where it throws, nothing
  // has changed.
  void resize(const SessionPlan& plan, CompiledPlan compiled);
  // The same where few commands are others, by a change that fits.
  void resize(const SessionPlan& plan, PlanChange change);

  // Finishes the runs that have not begun with an error, and frees everything, after the run that has begun where there is
  // one; does not wait for that. Idempotent.
  void close();

  // Waits for the run that has begun.
  void wait();

  bool closed() const { return closed_; }
  const CompiledPlan& plan() const { return plan_; }
  // By which the memory of the pool grows with it.
  int64_t held_bytes() const { return held_bytes_; }
  size_t step_count() const { return step_count_; }
  const std::vector<int64_t>& input_bytes() const { return input_bytes_; }
  const std::vector<int64_t>& output_bytes() const { return output_bytes_; }
  const std::vector<int64_t>& input_alignment() const { return input_alignment_; }
  const std::vector<int64_t>& output_alignment() const { return output_alignment_; }

 private:
  using Copies = std::vector<AlignedBuffer>;
  static constexpr size_t kKeptCopies = 2;  // of inputs, for later runs
  // A run handed over takes 10 to 20 microseconds of the calling thread and as much again until it hears of the end.
  static constexpr std::chrono::microseconds kQuick{100};
  // Of so many quick runs in a row the last goes to the executor: the event loop has a turn meanwhile, which it does not
  // have between calls that have ended when they return.
  static constexpr int kLongestRow = 32;

  struct End {
    SessionCore& session;
    ~End() { session.end_run(); }
  };

  struct Job {
    std::unique_ptr<Copies> copies;  // of the inputs; null: they stay as they are, or have been taken
    BufferList inputs;               // null: taken
    BufferList outputs;
    Finished finished;
    bool has_begun = false;  // the steps that take inputs have run
  };

  void execute(size_t first_step, const BufferList& inputs, const BufferList& outputs, double* microseconds, Next next);
  void run_steps(size_t first, size_t last, double* microseconds);
  void take_arena();
  void give_arena();
  void set_addresses(bool of_outputs, const BufferList& addresses);
  bool is_aligned(const BufferList& inputs) const;
  bool take(const BufferList& inputs, const BufferList& outputs);
  template <class Replace>
  void resize(const SessionPlan& plan, int64_t arena_bytes, const Replace& replace);
  void wait_until_idle(std::unique_lock<std::mutex>& lock);
  std::unique_ptr<Copies> copy(BufferList& inputs, bool all);
  void run_next();
  void schedule();
  void end_run();
  void free_plan();

  CompiledPlan plan_;
  const std::shared_ptr<ArenaPool> arenas_;
  ArenaPool::Arena arena_;             // of the run that has begun
  const uint8_t* arena_at_ = nullptr;  // where the addresses of the plan say that it is
  const int threads_;
  const size_t step_count_;
  std::vector<int64_t> input_bytes_, output_bytes_, input_alignment_, output_alignment_;
  dnnl::stream stream_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<std::unique_ptr<Copies>> idle_copies_;
  Clock::duration last_run_ = Clock::duration::max();  // by whoever is busy
  int quick_runs_ = 0;                                 // in a row
  int64_t held_bytes_ = 0;
  bool busy_ = false;
  bool has_begun_ = false;  // the first steps of the next job have run, and what they computed lies in the arena
  bool scheduled_ = false;  // the executor has been told that there are jobs
  bool closed_ = false;     // written by the owner's thread only
  Executor own_executor_;   // starts no thread unless it is used
};

}  // namespace unskew
