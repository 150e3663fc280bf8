#include "session_core.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace unskew {

namespace {

constexpr const char* kDisposed = "the session was disposed";

double microseconds_now() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

SessionCore::SessionCore(SessionPlan plan)
    : plan_(compile_plan(plan)),
      threads_(plan.threads),
      step_count_(plan_.steps.size()),
      input_bytes_(plan.input_bytes),
      output_bytes_(plan.output_bytes),
      stream_(engine()) {}

void SessionCore::execute(const BufferList& inputs, const BufferList& outputs, double* microseconds) {
  const ThreadScope scope(threads_);
  for (const Patch& patch : plan_.patches) {
    uint8_t* address = (patch.output ? outputs : inputs)[patch.index];
    if (patch.address != nullptr) {
      *patch.address = address;
    } else {
      dnnl_memory_set_data_handle(patch.memory, address);
    }
  }
  double before = microseconds == nullptr ? 0 : microseconds_now();
  for (size_t i = 0; i < plan_.steps.size(); i++) {
    const Step& step = plan_.steps[i];
    if (step.primitive) {
      const dnnl_status_t status = dnnl_primitive_execute(step.primitive->primitive.get(), stream_.get(),
                                                          static_cast<int>(step.arguments.size()), step.arguments.data());
      if (status != dnnl_success) {
        throw std::runtime_error("commands[" + std::to_string(i) + "] (" + step.name + ") failed in oneDNN with status " +
                                 std::to_string(status));
      }
    } else {
      step.kernel.run(step.addresses.data());
    }
    if (microseconds != nullptr) {
      const double now = microseconds_now();
      microseconds[i] = now - before;
      before = now;
    }
  }
  stream_.wait();
}

void SessionCore::run(const BufferList& inputs, const BufferList& outputs, double* microseconds) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
    require(!closed_, kDisposed);
    busy_ = true;
  }
  struct Release {
    SessionCore& session;
    ~Release() {
      const std::lock_guard lock(session.mutex_);
      session.busy_ = false;
      session.changed_.notify_all();
    }
  } release{*this};
  execute(inputs, outputs, microseconds);
}

void SessionCore::submit(BufferList inputs, BufferList outputs, Finished finished) {
  const std::lock_guard lock(mutex_);
  require(!closed_, kDisposed);
  if (!thread_.joinable()) thread_ = std::thread([this] { executor(); });
  jobs_.push_back({std::move(inputs), std::move(outputs), std::move(finished)});
  changed_.notify_all();
}

void SessionCore::executor() {
  pthread_setname_np(pthread_self(), "unskew");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || (!jobs_.empty() && !busy_); });
    if (closed_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    std::string error;
    try {
      execute(job.inputs, job.outputs, nullptr);
    } catch (const std::exception& exception) {
      error = exception.what();
    }
    job.finished(std::move(error));
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void SessionCore::close() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(jobs_);
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  for (const Job& job : dropped) job.finished(kDisposed);
  plan_.steps.clear();
  plan_.patches.clear();
  plan_.arena.reset();
}

}  // namespace unskew
