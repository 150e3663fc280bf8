// Recurrent layers: one step after another, the states of each direction and each element of the batch on their own.
#include "kernels/recurrent.h"

#include "kernels/fused_product.h"
#include "kernels/lstm_cell.h"

namespace unskew {

namespace {

// r·h, by which the candidate is computed.
struct ResetState {
  UNSKEW_INLINE static void run(const float* reset, const float* h, int64_t hidden, float* to) {
#pragma GCC ivdep
    for (int64_t j = 0; j < hidden; j++) to[j] = binary32::sigmoid(reset[j]) * h[j];
  }
};

// h' = (1 − z)·n + z·h with n = tanh(candidate).
struct GruCell {
  UNSKEW_INLINE static void run(const float* update, const float* candidate, int64_t hidden, float* h) {
#pragma GCC ivdep
    for (int64_t j = 0; j < hidden; j++) {
      const float z = binary32::sigmoid(update[j]);
      const float fresh = (1 - z) * binary32::tanh(candidate[j]), kept = z * h[j];
      h[j] = fresh + kept;
    }
  }
};

// n = a + r·(R·h + bR): the candidate that is reset behind its product.
struct ResetProduct {
  UNSKEW_INLINE static void run(const float* reset, const float* sums, int64_t hidden, float* product) {
#pragma GCC ivdep
    for (int64_t j = 0; j < hidden; j++) {
      const float scaled = binary32::sigmoid(reset[j]) * product[j];
      product[j] = sums[j] + scaled;
    }
  }
};

// Weights [gates, hidden], packed.
struct Gates {
  FusedPanels panels;
  int64_t hidden;
  AlignedBuffer memory;

  Gates(int64_t hidden_size, int64_t gates, Isa isa)
      : panels(hidden_size, gates, isa), hidden(hidden_size), memory(checked_product(panels.size(), 4)) {}
  void pack(const float* weights) const { panels.pack({weights, 1, hidden}, memory.as<float>()); }
  void multiply(const float* state, const float* start, float* sums) const {
    panels.multiply({.count = 1, .source = state, .source_step = 0, .destination = sums, .destination_step = 0},
                    memory.as<float>(), start);
  }
};

class Recurrence {
 public:
  Recurrence(const RecurrentParams& params, const KernelTarget& target)
      : p_(params),
        threads_(std::max(1, target.threads)),
        rows_(checked_multiply(params.cell == RecurrentCell::lstm ? 4 : 3, params.hidden)),
        together_(params.cell == RecurrentCell::gru ? 2 * params.hidden : rows_),
        lstm_(version_of<LstmCell>(target.isa)),
        reset_state_(version_of<ResetState>(target.isa)),
        gru_(version_of<GruCell>(target.isa)),
        reset_product_(version_of<ResetProduct>(target.isa)) {
    for (int64_t d = 0; d < p_.directions; d++) {
      gates_of_.emplace_back(p_.hidden, together_, target.isa);
      candidates_of_.emplace_back(p_.hidden, rows_ - together_, target.isa);
    }
    room_ = together_ + std::max(gates_of_[0].panels.padded(), rows_ + candidates_of_[0].panels.padded());
    scratch_ = AlignedBuffer(checked_product(threads_, checked_add(checked_multiply(2, room_), p_.hidden), 4));
  }

  int64_t rows() const { return rows_; }

  void pack(const uint8_t* weights) {
    for (size_t d = 0; d < gates_of_.size(); d++) {
      const float* own = reinterpret_cast<const float*>(weights) + static_cast<int64_t>(d) * rows_ * p_.hidden;
      gates_of_[d].pack(own);
      candidates_of_[d].pack(own + together_ * p_.hidden);
    }
  }
  void prepare(Addresses a) {
    if (a[1] == nullptr) return;
    pack(a[1]);
    is_packed_ = true;
  }

  void run(Addresses a) {
    if (!is_packed_) pack(a[1]);
    parallel(threads_, p_.directions * p_.batch, p_.length * rows_ * p_.hidden, 1,
             [&](int64_t begin, int64_t end, int thread) {
               for (int64_t unit = begin; unit < end; unit++) run_one(a, unit / p_.batch, unit % p_.batch, thread);
             });
  }

 private:
  void run_one(Addresses a, int64_t direction, int64_t element, int thread) const {
    const int64_t hidden = p_.hidden, state = (direction * p_.batch + element) * hidden;
    const auto begin_with = [&](const uint8_t* from, uint8_t* to) {
      float* place = reinterpret_cast<float*>(to) + state;
      if (from == nullptr) std::fill_n(place, hidden, 0.0f);
      else std::copy_n(reinterpret_cast<const float*>(from) + state, hidden, place);
      return place;
    };
    float* h = begin_with(a[3], a[6]);
    float* c = p_.cell == RecurrentCell::lstm ? begin_with(a[4], a[7]) : nullptr;
    const float* own_bias = a[2] == nullptr ? nullptr : reinterpret_cast<const float*>(a[2]) + direction * hidden;
    const bool is_backwards = p_.backwards || direction == 1;
    for (int64_t i = 0; i < p_.length; i++) {
      const int64_t t = is_backwards ? p_.length - 1 - i : i;
      const float* sums =
          reinterpret_cast<const float*>(a[0]) + ((t * p_.batch + element) * p_.directions + direction) * rows_;
      step(sums, direction, own_bias, h, c, thread);
      float* y = reinterpret_cast<float*>(a[5]) + ((t * p_.directions + direction) * p_.batch + element) * hidden;
      std::copy_n(h, hidden, y);
    }
  }

  // Sums are copied to where whole panels of them may be read.
  void step(const float* sums, int64_t direction, const float* own_bias, float* h, float* c, int thread) const {
    const int64_t hidden = p_.hidden;
    const Gates& gates_of = gates_of_[static_cast<size_t>(direction)];
    float* starts = scratch_.as<float>() + thread * (2 * room_ + hidden);
    float* gates = starts + room_;
    std::copy_n(sums, rows_, starts);
    switch (p_.cell) {
      case RecurrentCell::lstm:
        gates_of.multiply(h, starts, gates);
        lstm_(gates, hidden, c, h);
        return;
      case RecurrentCell::gru_linear:
        if (own_bias == nullptr) std::fill_n(starts + 2 * hidden, hidden, 0.0f);
        else std::copy_n(own_bias, hidden, starts + 2 * hidden);
        gates_of.multiply(h, starts, gates);
        reset_product_(gates + hidden, sums + 2 * hidden, hidden, gates + 2 * hidden);
        gru_(gates, gates + 2 * hidden, hidden, h);
        return;
      case RecurrentCell::gru:
        float* scaled = gates + room_;
        gates_of.multiply(h, starts, gates);
        reset_state_(gates + hidden, h, hidden, scaled);
        candidates_of_[static_cast<size_t>(direction)].multiply(scaled, starts + 2 * hidden, gates + 2 * hidden);
        gru_(gates, gates + 2 * hidden, hidden, h);
        return;
    }
  }

  RecurrentParams p_;
  int threads_;
  int64_t rows_, together_, room_ = 0;  // rows that one product computes; elements that hold all sums and whole panels
  std::vector<Gates> gates_of_, candidates_of_;
  bool is_packed_ = false;
  void (*lstm_)(const float*, int64_t, float*, float*);
  void (*reset_state_)(const float*, const float*, int64_t, float*);
  void (*gru_)(const float*, const float*, int64_t, float*);
  void (*reset_product_)(const float*, const float*, int64_t, float*);
  AlignedBuffer scratch_{0};
};

}  // namespace

KernelProgram make_recurrent(const RecurrentParams& p, const KernelTarget& target) {
  const auto recurrence = std::make_shared<Recurrence>(p, target);
  const int64_t rows = recurrence->rows(), state = checked_product(p.directions, p.batch, p.hidden, 4);
  const auto read = [](const char* name, int64_t bytes, bool required = true) {
    return ArgumentRule{.name = name, .bytes = bytes, .alignment = 4, .required = required};
  };
  const auto write = [](const char* name, int64_t bytes, bool required = true) {
    return ArgumentRule{.name = name, .bytes = bytes, .access = Access::write, .alignment = 4, .required = required};
  };
  KernelProgram program;
  program.arguments = {read("sums", checked_product(p.length, p.batch, p.directions, checked_multiply(rows, 4))),
                       {.name = "weights",
                        .bytes = checked_product(p.directions, rows, p.hidden, 4),
                        .alignment = 4,
                        .packed = true},
                       read("ownBias", checked_product(p.directions, p.hidden, 4), false),
                       read("h", state, false),
                       read("c", state, false),
                       write("destination", checked_product(p.length, state)),
                       write("lastH", state),
                       write("lastC", state, p.cell == RecurrentCell::lstm)};
  program.prepare = [recurrence](Addresses a, const Identities&) {
    recurrence->prepare(a);
    return 0;
  };
  program.run = [recurrence](Addresses a) { recurrence->run(a); };
  return program;
}

}  // namespace unskew
