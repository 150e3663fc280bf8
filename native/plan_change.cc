// Commands of a plan that were compiled anew, in the place of those before.
#include <algorithm>
#include <span>

#include "session_plan.h"

namespace unskew {

namespace {

// The part of a list of the plan that a step has.
template <class T>
std::span<T> part_of(std::vector<T>& list, const CompiledPlan& plan, size_t step, size_t Step::*first) {
  const size_t begin = plan.steps[step].*first;
  const size_t end = step + 1 < plan.steps.size() ? plan.steps[step + 1].*first : list.size();
  return std::span<T>(list).subspan(begin, end - begin);
}

}  // namespace

bool PlanChange::fits(const CompiledPlan& whole) const {
  auto &old = const_cast<CompiledPlan&>(whole), &own = const_cast<CompiledPlan&>(plan);  // which are read alone
  for (size_t k = 0; k < commands.size(); k++) {
    const size_t i = commands[k];
    const auto equal_counts = [&](auto& to, auto& from, size_t Step::*first) {
      return part_of(to, whole, i, first).size() == part_of(from, plan, k, first).size();
    };
    if (!equal_counts(old.addresses, own.addresses, &Step::first_address) ||
        !equal_counts(old.patches, own.patches, &Step::first_patch) ||
        !equal_counts(old.arena_patches, own.arena_patches, &Step::first_arena_patch) ||
        !std::ranges::equal(part_of(old.constants, whole, i, &Step::first_constant),
                            part_of(own.constants, plan, k, &Step::first_constant))) {
      return false;
    }
  }
  return true;
}

int64_t PlanChange::arena_bytes(const CompiledPlan& whole) const {
  // a scratch memory that has become smaller keeps its size
  return std::max(whole.arena_bytes, plan.arena_bytes);
}

void PlanChange::apply_to(CompiledPlan& whole) {
  whole.arena_bytes = arena_bytes(whole);
  for (size_t k = 0; k < commands.size(); k++) {
    const size_t i = commands[k];
    Step &to = whole.steps[i], &from = plan.steps[k];
    const auto moved = [&](AddressPlace place) {
      if (place.memory == nullptr) place.index += to.first_address - from.first_address;
      return place;
    };
    std::ranges::copy(part_of(plan.addresses, plan, k, &Step::first_address),
                      part_of(whole.addresses, whole, i, &Step::first_address).begin());
    std::ranges::transform(part_of(plan.patches, plan, k, &Step::first_patch),
                           part_of(whole.patches, whole, i, &Step::first_patch).begin(),
                           [&](const Patch& patch) { return Patch{patch.output, patch.index, moved(patch.place)}; });
    std::ranges::transform(part_of(plan.arena_patches, plan, k, &Step::first_arena_patch),
                           part_of(whole.arena_patches, whole, i, &Step::first_arena_patch).begin(),
                           [&](const ArenaPatch& patch) { return ArenaPatch{patch.offset, moved(patch.place)}; });
    to.primitive = std::move(from.primitive);
    to.memories = std::move(from.memories);
    to.arguments = std::move(from.arguments);
    to.kernel = std::move(from.kernel);
    to.scratch_bytes = from.scratch_bytes;
  }
  const auto raise = [](std::vector<int64_t>& all, const std::vector<int64_t>& some) {
    for (size_t i = 0; i < all.size(); i++) all[i] = std::max(all[i], some[i]);
  };
  raise(whole.input_alignment, plan.input_alignment);
  raise(whole.output_alignment, plan.output_alignment);
  PlanWork::find_taking_steps(whole);
  std::swap(whole.numbers, plan.numbers);
}

}  // namespace unskew
