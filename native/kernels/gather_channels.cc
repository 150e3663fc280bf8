#include <cstring>

#include "kernels/kernels.h"

namespace unskew {

namespace {

// Lanes that read neighbouring channels are copied at once.
struct Run {
  int64_t to, from, length;
};

std::vector<Run> runs_of(const std::vector<int64_t>& lanes) {
  std::vector<Run> runs;
  for (size_t lane = 0; lane < lanes.size(); lane++) {
    const bool continues = lane > 0 && lanes[lane] == lanes[lane - 1] + 1;
    if (continues) {
      runs.back().length++;
    } else {
      runs.push_back({static_cast<int64_t>(lane), lanes[lane], 1});
    }
  }
  return runs;
}

void gather(const uint8_t* source, uint8_t* destination, const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.length == 1) {
      destination[run.to] = source[run.from];
    } else {
      std::memcpy(destination + run.to, source + run.from, static_cast<size_t>(run.length));
    }
  }
}

// u8 = s8 + 128 is the other top bit.
void flip(uint8_t* bytes, int64_t count) {
  for (int64_t i = 0; i < count; i++) bytes[i] ^= 0x80;
}

}  // namespace

KernelProgram make_gather_channels(const GatherChannelsParams& params, const KernelTarget& target) {
  const auto lanes = static_cast<int64_t>(params.lanes.size());
  require(lanes > 0, "gather-channels: lanes must not be empty");
  for (const int64_t channel : params.lanes) {
    require(channel >= 0 && channel < params.channels, "gather-channels: lanes must name channels below " + std::to_string(params.channels));
  }
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_multiply(params.rows, params.channels)},
                       {.name = "destination", .bytes = checked_multiply(params.rows, lanes), .access = Access::write}};
  program.run = [=, runs = runs_of(params.lanes), channels = params.channels, rows = params.rows, flipped = params.flip,
                 threads = target.threads](Addresses a) {
    parallel(threads, rows, lanes, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; row++) gather(a[0] + row * channels, a[1] + row * lanes, runs);
      if (flipped) flip(a[1] + begin * lanes, (end - begin) * lanes);
    });
  };
  return program;
}

}  // namespace unskew
