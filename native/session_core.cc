#include "session_core.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "kernels/gather_at.h"

namespace unskew {

namespace {

constexpr const char* kDisposed = "the session was disposed";

double microseconds_now() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

SessionCore::SessionCore(const SessionPlan& plan, CompiledPlan compiled, std::shared_ptr<ArenaPool> arenas)
    : plan_(std::move(compiled)),
      arenas_(std::move(arenas)),
      threads_(plan.threads),
      step_count_(plan_.steps.size()),
      input_bytes_(plan.input_bytes),
      output_bytes_(plan.output_bytes),
      input_alignment_(plan_.input_alignment),
      output_alignment_(plan_.output_alignment),
      stream_(engine()) {
  take_arena();  // what the system does not have is told here
  held_bytes_ = arenas_->enter(plan_.arena_bytes);
  give_arena();
}

template <class Replace>
void SessionCore::resize(const SessionPlan& plan, int64_t arena_bytes, const Replace& replace) {
  ArenaPool::Arena arena = arenas_->take(arena_bytes);  // what the system does not have is told here
  std::vector<int64_t> input_bytes = plan.input_bytes, output_bytes = plan.output_bytes;
  std::unique_lock lock(mutex_);
  wait_until_idle(lock);
  held_bytes_ = std::min(held_bytes_ + arenas_->enter(arena_bytes), arena_bytes);
  arenas_->leave(plan_.arena_bytes);
  arenas_->give(std::move(arena));
  replace();
  input_bytes_ = std::move(input_bytes);
  output_bytes_ = std::move(output_bytes);
  input_alignment_ = plan_.input_alignment;
  output_alignment_ = plan_.output_alignment;
  arena_at_ = nullptr;
  last_run_ = Clock::duration::max();
}

void SessionCore::resize(const SessionPlan& plan, CompiledPlan compiled) {
  resize(plan, compiled.arena_bytes, [&] { std::swap(plan_, compiled); });
}

void SessionCore::resize(const SessionPlan& plan, PlanChange change) {
  resize(plan, change.arena_bytes(plan_), [&] { change.apply_to(plan_); });
}

SessionCore::~SessionCore() {
  if (!closed_) free_plan();
}

// For the run that begins. It is there already where `take` began it.
void SessionCore::take_arena() {
  if (!arena_) arena_ = arenas_->take(plan_.arena_bytes);
  uint8_t* const at = arena_->data();
  if (at == arena_at_) return;
  for (const ArenaPatch& patch : plan_.arena_patches) plan_.set(patch.place, at + patch.offset);
  arena_at_ = at;
}

void SessionCore::give_arena() {
  if (arena_) arenas_->give(std::move(arena_));
}

void SessionCore::set_addresses(bool of_outputs, const BufferList& addresses) {
  for (const Patch& patch : plan_.patches) {
    if (patch.output == of_outputs) plan_.set(patch.place, addresses[patch.index]);
  }
}

void SessionCore::run_steps(size_t first, size_t last, double* microseconds) {
  double before = microseconds == nullptr ? 0 : microseconds_now();
  for (size_t i = first; i < last; i++) {
    const Step& step = plan_.steps[i];
    if (step.primitive) {
      const dnnl_status_t status =
          dnnl_primitive_execute(step.primitive->primitive.get(), stream_.get(),
                                 static_cast<int>(step.arguments.size()), step.arguments.data());
      if (status != dnnl_success) {
        const std::string what = "commands[" + std::to_string(i) + "] (" + step.primitive->implementation + ")";
        if (status == dnnl_out_of_memory) throw OutOfMemory("oneDNN has no memory for " + what);
        throw std::runtime_error(what + " failed in oneDNN with status " + std::to_string(status));
      }
    } else {
      try {
        step.kernel->run(plan_.addresses.data() + step.first_address);
      } catch (PositionOutside& error) {
        error.command = i;
        throw;
      }
    }
    if (microseconds != nullptr) {
      const double now = microseconds_now();
      microseconds[i] = now - before;
      before = now;
    }
  }
}

// Behind the first steps it continues the run that `take` has begun.
void SessionCore::execute(size_t first_step, const BufferList& inputs, const BufferList& outputs, double* microseconds, Next next) {
  const TeamScope team(threads_, next);
  const ThreadScope scope(threads_);
  take_arena();
  has_begun_ = false;
  const auto begin = Clock::now();
  set_addresses(false, inputs);
  set_addresses(true, outputs);
  run_steps(first_step, step_count_, microseconds);
  stream_.wait();
  last_run_ = Clock::now() - begin;
}

bool SessionCore::is_aligned(const BufferList& inputs) const {
  for (size_t i = 0; i < inputs.size(); i++) {
    if (reinterpret_cast<uintptr_t>(inputs[i]) % static_cast<uintptr_t>(input_alignment_[i]) != 0) return false;
  }
  return true;
}

// Runs the first steps on the calling thread, where they stand for a copy of inputs.
bool SessionCore::take(const BufferList& inputs, const BufferList& outputs) {
  if (plan_.taking_steps == 0 || !is_aligned(inputs)) return false;
  {
    const std::lock_guard lock(mutex_);
    if (busy_ || !jobs_.empty()) return false;
    busy_ = true;
  }
  const End end{*this};
  const AloneScope alone;
  take_arena();
  set_addresses(false, inputs);
  set_addresses(true, outputs);
  run_steps(0, plan_.taking_steps, nullptr);
  has_begun_ = true;
  return true;
}

// Copies of all inputs, or of those alone that have not been taken, and their addresses in the place of the inputs.
std::unique_ptr<SessionCore::Copies> SessionCore::copy(BufferList& inputs, bool all) {
  if (!all && std::ranges::find(plan_.taken, false) == plan_.taken.end()) return nullptr;
  std::unique_ptr<Copies> copies;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_copies_.empty()) {
      copies = std::move(idle_copies_.back());
      idle_copies_.pop_back();
    }
  }
  if (!copies) {
    copies = std::make_unique<Copies>();
    for (size_t i = 0; i < inputs.size(); i++) copies->emplace_back(0);
  }
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!all && plan_.taken[i]) {
      inputs[i] = nullptr;
      continue;
    }
    AlignedBuffer& copy = (*copies)[i];  // maybe of other sizes
    const int64_t bytes = input_bytes_[i];
    if (copy.bytes() < bytes || copy.bytes() / kTooLarge > bytes)
      copy = AlignedBuffer(copy.bytes() == 0 ? bytes : with_room(bytes));
    if (bytes > 0) std::memcpy(copy.data(), inputs[i], static_cast<size_t>(bytes));
    inputs[i] = copy.data();
  }
  return copies;
}

void SessionCore::wait_until_idle(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
  require(!closed_, kDisposed);
}

void SessionCore::run(const BufferList& inputs, const BufferList& outputs, double* microseconds) {
  {
    std::unique_lock lock(mutex_);
    wait_until_idle(lock);
    busy_ = true;
  }
  const End end{*this};
  execute(0, inputs, outputs, microseconds, Next::soon);
}

bool SessionCore::run_if_quick(const BufferList& inputs, const BufferList& outputs) {
  if (!is_aligned(inputs)) return false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || busy_ || !jobs_.empty() || last_run_ > kQuick || quick_runs_ + 1 >= kLongestRow) {
      return false;
    }
    busy_ = true;
  }
  const End end{*this};
  const TeamScope team(threads_, TeamScope::IfFree{});
  if (team.threads() != threads_) return false;
  execute(0, inputs, outputs, nullptr, Next::soon);
  quick_runs_++;
  return true;
}

void SessionCore::submit(const BufferList& inputs, bool are_unchanging, BufferList outputs, Finished finished) {
  require(!closed_, kDisposed);
  Job job = {.copies = nullptr, .inputs = inputs, .outputs = std::move(outputs), .finished = std::move(finished)};
  if (!are_unchanging || !is_aligned(inputs)) {
    job.has_begun = take(inputs, job.outputs);
    job.copies = copy(job.inputs, !job.has_begun);
  }
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  try {
    if (!scheduled_) schedule();
  } catch (...) {
    jobs_.pop_back();
    throw;
  }
}

// One job at a time, so that sessions which share an executor take turns.
void SessionCore::schedule() {
  Executor& executor = threads_ > 1 ? Executor::of_the_team() : own_executor_;
  executor.submit([self = shared_from_this()] { self->run_next(); });
  scheduled_ = true;
}

// On the executor. close() may have taken the job away.
void SessionCore::run_next() {
  Job job;
  {
    // No other thread runs: `run` waits until all jobs are done, and its caller is the thread that submits them.
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
    if (jobs_.empty()) return;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    quick_runs_ = 0;
  }
  std::exception_ptr error;
  try {
    execute(job.has_begun ? plan_.taking_steps : 0, job.inputs, job.outputs, nullptr, Next::javascript);
  } catch (...) {
    error = std::current_exception();
  }
  if (job.copies) {
    const std::lock_guard lock(mutex_);
    if (idle_copies_.size() < kKeptCopies) idle_copies_.push_back(std::move(job.copies));
  }
  job.finished(std::move(error));
  end_run();
}

void SessionCore::end_run() {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  if (!has_begun_) give_arena();
  if (closed_) free_plan();
  if (!jobs_.empty() && !scheduled_) schedule();
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
  own_executor_.end();
  for (const Job& job : dropped) job.finished(std::make_exception_ptr(InvalidArgument(kDisposed)));
}

void SessionCore::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
}

void SessionCore::free_plan() {
  plan_.steps.clear();
  plan_.patches.clear();
  plan_.arena_patches.clear();
  plan_.constants.clear();
  idle_copies_.clear();
  give_arena();
  arenas_->leave(plan_.arena_bytes);
}

}  // namespace unskew
