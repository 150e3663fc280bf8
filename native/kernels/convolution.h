// The parts of the convolution kernel: data prepared from the constants, and one function per version.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/packed_weights.h"

namespace unskew {

struct ConvolutionPlan;

// The most output positions that a version computes together.
inline constexpr int64_t kStepLimit = 8;

// Computes the output positions [begin, end) (of batch · output height · output width) of one block of output channels.
using ConvolutionPart = void (*)(const ConvolutionPlan&, const uint8_t* source, uint8_t* destination, int64_t block,
                                 int64_t begin, int64_t end);

// Output channels of one group that are computed together.
struct ChannelBlock {
  int64_t group, first, count;  // `first` among all output channels
  int vectors;                  // of 16 channels
  int64_t lane;                 // of its first channel in base and multiplier
  int64_t weights;              // where its packed weights begin, in bytes
};

// The start of the window of an output coordinate along one axis, which may be outside.
struct WindowStart {
  int64_t at;      // input coordinate
  int64_t offset;  // of it, in the source
  int64_t base;    // of its class, in the table of bases: coordinates whose windows hold the same taps form a class
  bool whole;      // whether all taps are inside
};

// Σ of the source over each window, which weights with a zero point need: Σ x·(w − z) = Σ x·w − z·Σ x.
struct WindowSums {
  bool wanted = false;
  bool wide = false;         // beyond kPairs
  bool uniform = false;      // one zero point for all channels: sums have their factor already
  int32_t factor = 1;        // −z, where uniform
  int64_t positions = 0;     // of a group, with room for a step beyond the last one
  int64_t pixels = 0;        // of a group
  // In the memory of the run.
  int32_t* sums = nullptr;        // [group][position], as `finished` leaves them
  int32_t* pixel_sums = nullptr;  // [group][pixel]; absent where positions are pixels
  int32_t* rows = nullptr;        // [thread][column]: kernel rows of pixel sums, added

  // A sum as two s16 numbers, lo + 128·hi, and its factor as (f, 128·f): one vpdpwssd adds f·sum. Larger sums are
  // s32 as they are.
  static constexpr int64_t kPairs = int64_t{1} << 22;
  int32_t finished(int32_t sum) const {
    if (uniform || wide) return wrapping_multiply(sum, factor);
    return static_cast<int32_t>(static_cast<uint32_t>(sum & 127) | static_cast<uint32_t>(sum >> 7) << 16);
  }
  static constexpr int32_t pack_factor(int32_t f) {
    return static_cast<int32_t>((static_cast<uint32_t>(f) & 0xffff) | static_cast<uint32_t>(f * 128) << 16);
  }
};

// What the vector version makes of the constants. It is the same for all sizes whose windows are of the same classes.
struct ConvolutionConstants {
  std::shared_ptr<const PackedWeights> packed;
  bool has_zero_points = false;  // of the weights as s8
  bool uniform = false;          // one for all channels
  int32_t zero_point = 0;        // of the first channel
  bool overflows = true;         // whether some accumulator times its multiplier may leave the range of s32
  AlignedBuffer inside;          // s32 [class][lane]: Σ of the weights of the taps inside
  AlignedBuffer bias;            // s32 [lane]
  AlignedBuffer base;            // s32 [class][lane], where the zero point of the source is known
  AlignedBuffer multiplier;      // f32 [lane]
  AlignedBuffer scale, offset;   // f32 [lane], of a stepped end
  AlignedBuffer factors;         // s32 [lane]: −z of the weights, as sums of windows are packed
};

struct ConvolutionPlan {
  ConvolutionParams p;
  int64_t inputs = 0, outputs = 0;  // channels of a group
  ConvolutionPart compute = nullptr;
  std::vector<ChannelBlock> blocks;
  int64_t positions = 1;  // computed in one go: a part
  // True when parts are the outer loop, each with all blocks: for few weights, so that every result is written once,
  // and by one thread. Otherwise blocks are, each with all parts, and each thread reads its own weights only.
  bool by_parts = false;

  ChannelSlice slice{};  // of results of bytes

  // Of the scalar version; the vector version makes its own of them.
  std::vector<int16_t> plain_weights;      // [output channels, inputs, taps]: without their zero point
  std::vector<int32_t> plain_zero_points;  // [output channels], of the weights as s8
  std::vector<int32_t> plain_bias;         // [output channels]
  // [output channels]; of a stepped end of bytes the last two as well.
  std::vector<float> plain_multiplier, plain_scale, plain_offset;
  bool stepped = false;  // whether the end of bytes has a scale or an offset, or adds its zero point before it rounds
  int32_t source_zero_point = 0;           // of the parameters, or of the run
  FloatFactors factors{};                  // of the run, where the end is float
  // The fields of the vector version, by lane.
  std::vector<WindowStart> rows, columns;  // by output coordinate
  int64_t lanes = 0;
  int64_t weight_bytes = 0;
  const uint8_t* weights = nullptr;  // s8 [block][run][run_bytes / 4][lane of the block][4], of the constants or of the run
  std::shared_ptr<const ConvolutionConstants> constants;
  int64_t classes = 0;              // of windows: those that hold the same taps
  const int32_t* inside = nullptr;  // [class][lane]: Σ of the weights of the taps inside
  const int32_t* bias = nullptr;    // [lane]
  const int32_t* base = nullptr;    // [class][lane]: bias − zero point · inside
  const float* multiplier = nullptr;         // [lane]
  const float *scale = nullptr, *offset = nullptr;  // [lane], of a stepped end or one in floats
  const int32_t* factors_of_sums = nullptr;  // [lane]
  // Of these what depends on the run, in its memory.
  int32_t* base_of_run = nullptr;
  float *scale_of_run = nullptr, *offset_of_run = nullptr;
  std::unique_ptr<AlignedBuffer> padding;  // what a tap outside the input reads: zeros
  // Bytes of the source that a window reads one after another: the channels of a tap, or of all taps of a kernel row
  // where these are few.
  int64_t runs = 0, run_bytes = 0;
  bool by_rows = false;  // whether a run is a kernel row
  WindowSums sums;
  bool pointwise = false;  // whether each output position reads just the input position of the same index
  bool overflows = true;   // as in the constants

  int64_t taps() const { return p.kernel[0] * p.kernel[1]; }
};

// The argument `scale`; `offset` is the next one.
inline size_t first_step(const ConvolutionParams& p) { return p.source_zero_point ? 6 : 7; }

// The scalar version sets blocks, positions and compute, the vector version besides what it makes of the constants: source, weights,
// bias, multiplier, destination, zero points of the weights, and those of `first_step`.
void prepare_convolution_scalar(ConvolutionPlan& plan);
void prepare_convolution_avx512(ConvolutionPlan& plan, const KernelTarget& target, Addresses a,
                                const Identities& identities);

// The constants as they are, with zeros and ones for those that are absent.
void read_plain_constants(ConvolutionPlan& plan, Addresses a);

// Gives a run its memory, on a cache line, and returns its bytes; without memory it returns them alone.
int64_t place_memory(ConvolutionPlan& plan, uint8_t* memory, int threads);

void run_convolution(const ConvolutionPlan& plan, const uint8_t* source, uint8_t* destination, int threads);

// Sets the factors of a float end.
void set_factors(ConvolutionPlan& plan, const FloatFactors& factors);

// Sets the zero point of the source, and the bases of the vector version.
void set_source_zero_point(ConvolutionPlan& plan, int32_t zero_point);

// The same of given data: bias − zero point of the source · inside.
void set_bases(const ConvolutionPlan& plan, const int32_t* inside, const int32_t* bias, int32_t zero_point, int32_t* to);

// Products of matrices that only a run knows: a plan without constants; then, for each matrix of weights [inputs, outputs], its
// blocks are packed to `packed`, and `inside` gets the sums of its columns less their zero point.
void prepare_matrices_avx512(ConvolutionPlan& plan, const KernelTarget& target);
void pack_matrix_avx512(const ConvolutionPlan& plan, const uint8_t* weights, int32_t zero_point, int64_t block,
                        uint8_t* packed, int32_t* inside);

// How sums of windows are kept; `zero_point` is that of all weights where they have one.
void prepare_window_sums(ConvolutionPlan& plan, bool uniform, int32_t zero_point);
void sum_windows(const ConvolutionPlan& plan, const uint8_t* source, int threads);

}  // namespace unskew
