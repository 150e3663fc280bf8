#include "executor.h"

#include <chrono>
#include <utility>

#include "named_thread.h"

namespace unskew {

void Executor::end() {
  const std::lock_guard lock(state_->mutex);
  state_->ended = true;
  state_->is_awaited = true;
  state_->changed.notify_one();
}

void Executor::submit(Work work) {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->started) {
      start_thread("unskew", [state = state_] { serve(*state); });
      state_->started = true;
    }
    state_->queue.push_back(std::move(work));
    state_->is_awaited = true;
  }
  state_->changed.notify_one();
}

// Whoever awaits a result mostly asks for the next one at once: to look for it a moment longer costs less than to be woken up.
void Executor::linger(const State& state) {
  const auto until = std::chrono::steady_clock::now() + kLinger;
  while (!state.is_awaited && std::chrono::steady_clock::now() < until) __builtin_ia32_pause();
}

void Executor::serve(State& state) {
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.ended || !state.queue.empty(); });
    if (state.queue.empty()) return;
    {
      const Work work = std::move(state.queue.front());
      state.queue.pop_front();
      state.is_awaited = !state.queue.empty() || state.ended;
      lock.unlock();
      work();
    }
    linger(state);
    lock.lock();
  }
}

Executor& Executor::of_the_team() {
  static auto* const instance = new Executor;  // never destroyed: its thread lives as long as the process
  return *instance;
}

}  // namespace unskew
