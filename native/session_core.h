// A session without Node.js: runs a compiled plan, on the calling thread or in order on a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "session_plan.h"

namespace unskew {

using BufferList = std::vector<uint8_t*>;

class SessionCore {
 public:
  explicit SessionCore(SessionPlan plan);
  ~SessionCore() { close(); }
  SessionCore(const SessionCore&) = delete;
  SessionCore& operator=(const SessionCore&) = delete;

  // Called once, on the executor thread or in close(), with an empty string when the run succeeded.
  using Finished = std::function<void(std::string error)>;

  // Runs on the calling thread, after the submitted runs. An OpenMP team belongs to the thread that starts it, so
  // callers of one thread share one team, and there is no hand-off to wait for. `microseconds` (may be null) receives
  // the time of each step.
  void run(const BufferList& inputs, const BufferList& outputs, double* microseconds = nullptr);

  // Runs on the executor thread. The buffers stay valid until `finished`.
  void submit(BufferList inputs, BufferList outputs, Finished finished);

  // Waits for the run that has begun, finishes the others with an error, frees everything. Idempotent.
  void close();

  bool closed() const { return closed_; }
  int64_t held_bytes() const { return plan_.arena->bytes(); }
  size_t step_count() const { return step_count_; }
  const std::vector<int64_t>& input_bytes() const { return input_bytes_; }
  const std::vector<int64_t>& output_bytes() const { return output_bytes_; }
  const std::vector<int64_t>& input_alignment() const { return plan_.input_alignment; }
  const std::vector<int64_t>& output_alignment() const { return plan_.output_alignment; }

 private:
  struct Job {
    BufferList inputs, outputs;
    Finished finished;
  };

  void execute(const BufferList& inputs, const BufferList& outputs, double* microseconds);
  void executor();

  CompiledPlan plan_;
  int threads_;
  size_t step_count_;
  std::vector<int64_t> input_bytes_, output_bytes_;
  dnnl::stream stream_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool closed_ = false;  // written by the owner's thread only
  std::thread thread_;
};

}  // namespace unskew
