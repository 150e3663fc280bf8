// Images at computed points, and axes resized by four taps.
#pragma once

#include "kernels/kernels.h"

namespace unskew {

enum class SampleMode { linear, nearest };
enum class SamplePadding { zeros, border, reflection };

struct GridSampleParams {
  int64_t batch, channels, height, width, positions;
  SampleMode mode;
  SamplePadding padding;
  bool aligns_corners;
};
KernelProgram make_grid_sample(const GridSampleParams&, const KernelTarget&);

struct ResampleParams {
  bool from_double, to_double;
  int64_t outer, size, count, inner;
};
KernelProgram make_resample(const ResampleParams&, const KernelTarget&);

}  // namespace unskew
