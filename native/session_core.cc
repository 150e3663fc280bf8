#include "session_core.h"

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
      held_bytes_(plan_.arena->bytes()),
      input_bytes_(plan.input_bytes),
      output_bytes_(plan.output_bytes),
      input_alignment_(plan_.input_alignment),
      output_alignment_(plan_.output_alignment),
      stream_(engine()) {}

void SessionCore::execute(const BufferList& inputs, const BufferList& outputs, double* microseconds, Next next) {
  const TeamScope team(threads_, next);
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
  struct End {
    SessionCore& session;
    ~End() { session.end_run(); }
  } end{*this};
  execute(inputs, outputs, microseconds, Next::soon);
}

void SessionCore::submit(BufferList inputs, BufferList outputs, Finished finished) {
  const std::lock_guard lock(mutex_);
  require(!closed_, kDisposed);
  Executor& executor = threads_ > 1 ? Executor::of_the_team() : own_executor_;
  executor.submit([self = shared_from_this()] { self->run_next(); });
  jobs_.push_back({std::move(inputs), std::move(outputs), std::move(finished)});
}

// On the executor, once for each submitted run; those that close() took away are no longer there.
void SessionCore::run_next() {
  Job job;
  {
    // Nobody else runs: `run` waits until there are no jobs, and its caller is the thread that submits them.
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
  }
  std::string error;
  try {
    execute(job.inputs, job.outputs, nullptr, Next::javascript);
  } catch (const std::exception& exception) {
    error = exception.what();
  }
  job.finished(std::move(error));
  end_run();
}

void SessionCore::end_run() {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  if (closed_) free_plan();
  changed_.notify_all();
}

void SessionCore::close() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    dropped.swap(jobs_);
    if (!busy_) free_plan();
  }
  for (const Job& job : dropped) job.finished(kDisposed);
}

void SessionCore::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
}

void SessionCore::free_plan() {
  plan_.steps.clear();
  plan_.patches.clear();
  plan_.arena.reset();
}

}  // namespace unskew
