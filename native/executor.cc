#include "executor.h"

#include <utility>

#include "named_thread.h"

namespace unskew {

void Executor::end() {
  const std::lock_guard lock(state_->mutex);
  state_->ended = true;
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
  }
  state_->changed.notify_one();
}

void Executor::serve(State& state) {
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.ended || !state.queue.empty(); });
    if (state.queue.empty()) return;
    {
      const Work work = std::move(state.queue.front());
      state.queue.pop_front();
      lock.unlock();
      work();
    }
    lock.lock();
  }
}

Executor& Executor::of_the_team() {
  static auto* const instance = new Executor;  // never destroyed: its thread lives as long as the process
  return *instance;
}

}  // namespace unskew
