// A thread that does one thing after the other. It is started by the first, and sleeps while there is nothing to do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace unskew {

class Executor {
 public:
  using Work = std::function<void()>;  // does not throw

  Executor() : state_(std::make_shared<State>()) {}
  ~Executor() { end(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Throws std::system_error when the system gives no thread.
  void submit(Work work);

  // Ends the thread after all submitted work. Nothing may be submitted afterwards.
  void end();

  // The one on which all run that use more than one thread: they have one team, so several would wait for each other.
  static Executor& of_the_team();

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Work> queue;
    bool started = false, ended = false;
    std::atomic<bool> is_awaited = false;  // whether there is work, or the end of it
  };

  static constexpr std::chrono::microseconds kLinger{50};

  static void linger(const State& state);
  static void serve(State& state);

  // Shared with the thread, which may outlive the executor: the last work may destroy it.
  std::shared_ptr<State> state_;
};

}  // namespace unskew
