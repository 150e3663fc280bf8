// Runs every kernel on buffers of exactly the promised size, each version against the scalar one, and sessions from
// several threads. For AddressSanitizer and valgrind (see native/check_memory); TypeScript tests the results themselves.
#include <cstdio>
#include <future>

#include "kernels/range.h"
#include "kernels/elementwise_program.h"
#include "kernels/float_product.h"
#include "kernels/dynamic_lstm.h"
#include "kernels/block_product.h"
#include "kernels/counted.h"
#include "kernels/fused_product.h"
#include "kernels/kernels.h"
#include "kernels/recurrent.h"
#include "kernels/rows.h"
#include "kernels/sample.h"
#include "kernels/scatter.h"
#include "kernels/strides.h"
#include "session_core.h"
#include "test/check_kernel.h"

namespace unskew {
namespace {

// Of the source: known, or of the run.
std::optional<int32_t> zero_point() { return coin() ? std::optional(100) : std::nullopt; }
std::optional<ScaledEnd> scaled_end(OutputType type, int64_t channels) {
  if (type != OutputType::s32 || coin()) return std::nullopt;
  return ScaledEnd{-3, coin() ? 6.0f : INFINITY, coin() ? 1 : channels, coin()};
}

std::optional<ChannelSlice> slice(OutputType type, int64_t channels) {
  if (type == OutputType::s32 || coin()) return std::nullopt;
  const int64_t room = random_int(0, 70);
  return ChannelSlice{room / 2, channels + room};
}

Requantization requantization(OutputType type) {
  if (type == OutputType::s32) return {};
  const auto [low, high] = range_of(type);
  return {static_cast<int32_t>(random_int(low, high)), low, high, coin()};
}

void elementwise() {
  check("gather-channels", [rows = random_int(0, 40), channels = random_int(1, 70), flip = coin()](auto& t) {
    std::vector<int64_t> lanes(static_cast<size_t>(channels + 3));
    for (size_t lane = 0; lane < lanes.size(); lane++)
      lanes[lane] = static_cast<int64_t>(lane * lane % 7 + lane) % channels;
    return make_gather_channels({rows, channels, lanes, flip}, t);
  });
  check("lut", [positions = random_int(0, 300)](auto& t) { return make_lut({positions, 1, {}}, t); });
  check("lut", [positions = random_int(0, 40), channels = random_int(1, 140), room = random_int(0, 70)](auto& t) {
    return make_lut({positions, channels, ChannelSlice{room / 2, channels + room}}, t);
  });
  const int64_t outer = random_int(0, 5), channels = random_int(1, 70), inner = random_int(1, 20);
  check("quantize", [=, type = byte_type(), multiplies = coin(), rounds_away = coin()](auto& t) {
    return make_quantize({type, outer, channels, inner, multiplies, rounds_away}, t);
  });
  check("dequantize", [=, type = output_type()](auto& t) {
    return make_dequantize({type, outer, channels, inner}, t);
  });
  const OutputType type = output_type();
  Requantization to = requantization(type);
  const int64_t map_rows = inner == 1 ? random_int(0, 3) : 0, groups = coin() ? channels : 1;
  const auto arithmetic = static_cast<Arithmetic>(random_int(0, 2));
  const auto rounding = static_cast<Rounding>(random_int(0, 2));
  if (arithmetic == Arithmetic::fixed) to.zero_point_before = false;
  check("requantize", [=](auto& t) {
    return make_requantize({type, outer, channels, inner, groups, map_rows, to, arithmetic, rounding}, t);
  });
  check("rescale", [=](auto& t) {
    const Arithmetic how = arithmetic == Arithmetic::fixed ? arithmetic : Arithmetic::f64;
    return make_rescale({false, outer, channels, inner, 3, -70000, 70000, how, rounding}, t);
  });
  check("lookup",
        [count = random_int(0, 300), size = random_int(1, 300), bytes = int64_t{1} << random_int(0, 3)](auto& t) {
          return make_lookup({bytes, size, count}, t);
        });
  check("range", [=, count = random_int(0, 300), type = random_int(0, 4)](auto& t) {
    return make_range({static_cast<RangeType>(type), count}, t);
  });
  check("numbers", [=](auto& t) { return make_numbers({outer, inner, -1}, t); });
  check("softmax", [=, length = random_int(1, 600), operation = random_int(0, 2)](auto& t) {
    return make_softmax({static_cast<SoftmaxOperation>(operation), outer, length, inner}, t);
  });
  check("cumulative-sum", [=, length = random_int(0, 60), type = random_int(0, 5), a = coin(), b = coin()](auto& t) {
    return make_cumulative_sum({static_cast<RowType>(type), outer, length, inner, a, b}, t);
  });
  check("top-k", [=, length = random_int(1, 60), part = random_int(0, 3), type = random_int(0, 9), a = coin()](auto& t) {
    return make_top_k({static_cast<RowType>(type), outer, length, inner, length * part / 3, a}, t);
  });
  check("non-zero", [=, shape = random_shape(1, 9), type = random_int(0, 9)](auto& t) {
    return make_non_zero({static_cast<RowType>(type), shape.empty() ? std::vector<int64_t>{outer} : shape}, t);
  });
  check("non-max-suppression", [=, classes = random_int(1, 3), boxes = random_int(0, 200), part = random_int(0, 3), a = coin()](auto& t) {
    const float overlap = 0.1f * static_cast<float>(part);
    return make_non_max_suppression({2, classes, boxes, boxes * part / 3, a, overlap, -1.0f}, t);
  });
  check("grid-sample", [=, height = random_int(1, 9), width = random_int(1, 9), positions = random_int(0, 30),
                        mode = random_int(0, 1), padding = random_int(0, 2), a = coin()](auto& t) {
    return make_grid_sample({outer, channels, height, width, positions, static_cast<SampleMode>(mode),
                             static_cast<SamplePadding>(padding), a},
                            t);
  });
  check("resample", [=, size = random_int(1, 30), count = random_int(0, 30), a = coin(), b = coin()](auto& t) {
    return make_resample({a, b, outer, size, count, inner}, t);
  });
  // Heads side by side or one after another, and the weights with columns or the depth in a row.
  check("fused-product", [a = random_int(1, 3), b = random_int(1, 3), rows = random_int(0, 30), depth = random_int(0, 40),
                          columns = random_int(0, 150), beside = coin(), known = coin(), transposed = coin()](auto& t) {
    const int64_t size = rows * columns, row = b * columns;
    const std::vector<int64_t> steps = transposed ? std::vector<int64_t>{1, depth} : std::vector<int64_t>{columns, 1};
    const int64_t matrix = known ? 0 : depth * columns;
    return make_fused_product(
        {{a, b}, rows, depth, columns, {rows * b * depth, depth, b * depth}, {b * matrix, matrix, steps[0], steps[1]},
         beside ? std::vector<int64_t>{b * size, columns, row} : std::vector<int64_t>{b * size, size, columns}},
        t);
  });
  check("block-product", [rows = random_int(0, 30), depth = random_int(0, 200), columns = random_int(0, 150),
                          block = int64_t{16} << random_int(0, 3), bits = 2 << random_int(0, 2), zero = random_int(0, 2), levels = random_int(0, 2),
                          of_bytes = coin()](auto& t) {
    if (levels > 0 && bits == 4 && zero == 0 && !of_bytes)
      return make_block_product({rows, {depth, columns, block, bits, BlockZero::middle, static_cast<BlockLevels>(levels)}, false}, t);
    const auto zeros = static_cast<BlockZero>(of_bytes ? std::min<int64_t>(zero, 1) : zero);
    return make_block_product({rows, {depth, columns, block, bits, zeros}, of_bytes}, t);
  });
  check("block-gather", [rows = random_int(0, 9), length = 4 * random_int(0, 60), block = int64_t{16} << random_int(0, 2),
                         bits = 2 << random_int(0, 2), count = random_int(0, 20), is_wide = coin()](auto& t) {
    return make_block_gather({rows, length, block, bits, count, is_wide}, t);
  });
  check("fused-product of one matrix", [rows = random_int(0, 15), depth = random_int(0, 40), columns = random_int(1, 150)](auto& t) {
    return make_fused_product({{}, rows, depth, columns, {depth}, {1, depth}, {columns}}, t);
  });
  check("recurrent", [cell = random_int(0, 2), length = random_int(0, 4), batch = random_int(1, 3),
                      hidden = random_int(1, 70), directions = random_int(1, 2), a = coin()](auto& t) {
    return make_recurrent({static_cast<RecurrentCell>(cell), length, batch, hidden, directions, a}, t);
  });
  check("dynamic-lstm", [type = random_int(0, 1), length = random_int(0, 4), batch = random_int(1, 3), size = random_int(1, 20),
                         hidden = random_int(1, 40), directions = random_int(1, 2), many = coin(), a = coin()](auto& t) {
    return make_dynamic_lstm({static_cast<ByteType>(type), length, batch, size, hidden, directions, many ? 4 * hidden : 1, a}, t);
  });
  check("reduce", [=, length = random_int(0, 600), operation = random_int(0, 8), type = random_int(0, 1)](auto& t) {
    return make_reduce({static_cast<Reduction>(operation), static_cast<RowType>(type), outer, length, inner}, t);
  });
  check("reduce of integers",
        [=, length = random_int(0, 100), operation = random_int(0, 2), type = random_int(2, 9)](auto& t) {
          constexpr Reduction kOperations[] = {Reduction::sum, Reduction::maximum, Reduction::minimum};
          return make_reduce({kOperations[operation], static_cast<RowType>(type), outer, length, inner}, t);
        });
  check("normalize", [=, groups = random_int(1, 3), per_row = random_int(1, 70), centre = coin()](auto& t) {
    return make_normalize({outer, per_row * inner, centre, 1e-5, groups, per_row}, t);
  });
  check("channel-affine", [=, channels = random_int(1, 70)](auto& t) {
    return make_channel_affine({outer, channels, inner}, t);
  });
  check("qlinear-softmax", [=, length = random_int(1, 600), a = byte_type()](auto& t) {
    return make_qlinear_softmax({a, outer, length, inner, 255.0, 3}, t);
  });
  check("float-byte-softmax", [=, length = random_int(1, 600), a = byte_type(), wide = coin()](auto& t) {
    return make_float_byte_softmax({a, wide, outer, length, inner, 0.004f, 3}, t);
  });
  check("fixed-byte-softmax", [=, length = random_int(1, 600), a = byte_type(), wide = coin()](auto& t) {
    return make_fixed_byte_softmax({a, wide, outer, length, inner}, t);
  });
  const DynamicQuantizeParams range{static_cast<DynamicRecipe>(random_int(0, 4)), 127, random_int(0, 3), random_int(0, 300)};
  check("dynamic-quantize", [=](auto& t) { return make_dynamic_quantize(range, t); });
  check("arg-max", [=, type = random_int(0, 9), length = random_int(1, 60), a = coin(), b = coin()](auto& t) {
    return make_arg_max({static_cast<RowType>(type), outer, length, inner, a, b}, t);
  });
  check("global-average-pool", [=, a = byte_type(), b = output_type()](auto& t) {
    return make_global_average_pool({a, b, outer, inner, channels, 3, 0.01f, 7}, t);
  });
}

void binary() {
  const std::vector<int64_t> shape = random_shape(1, 9);
  std::vector<int64_t> a = row_major_strides(shape), b = a;
  for (size_t axis = 0; axis < shape.size(); axis++) {
    if (coin()) a[axis] = 0;
    if (coin()) b[axis] = 0;
  }
  const auto operation = static_cast<QLinearOperation>(random_int(0, 3));
  const bool is_one_type = operation == QLinearOperation::dequantized_add || operation == QLinearOperation::byte_product;
  const ByteType type = byte_type();
  const QLinearBinaryParams params{operation,
                                   is_one_type ? type : byte_type(),
                                   is_one_type ? type : byte_type(),
                                   type,
                                   shape,
                                   a,
                                   b,
                                   {coin() ? 0.1f : 1e20f, 0.2f, 0.3f},
                                   {1, 2, 3}};
  check("qlinear", [=](auto& t) { return make_qlinear_binary(params, t); });
  const ByteSum how{.multiplier_a = 1 << 20,
                    .multiplier_b = -(1 << 19),
                    .offset = static_cast<int32_t>(random_int(-(1 << 28), 1 << 28)),
                    .shift = 20,
                    .zero_point = 3};
  const ByteSumParams bytes{type, shape, a, b, how};
  check("byte-sum", [=](auto& t) { return make_byte_sum(bytes, t); });
  const ElementwiseParams sum{shape, {{Cell::f32, a}, {Cell::f32, b}}, {{operation_named("add.f32"), {0, 1}, {}}}, {2}};
  check("elementwise", [=](auto& t) { return make_elementwise(sum, t); });
  check("binary-table", [=](auto& t) { return make_binary_table({shape, a, b}, t); });
}

void movement() {
  const std::vector<int64_t> shape = random_shape(0, 20);
  const int64_t bytes = int64_t{1} << random_int(0, 3);
  std::vector<int64_t> reversed(shape.rbegin(), shape.rend()), from = row_major_strides(reversed),
                                                               to = row_major_strides(shape);
  std::reverse(from.begin(), from.end());
  check("copy", [=](auto& t) { return make_copy({bytes, shape, to, to, 0, 0}, t); });
  check("transpose", [=](auto& t) { return make_copy({bytes, shape, from, to, 0, 0}, t); });
  std::vector<int64_t> begin(shape.size()), end(shape.size());
  for (size_t axis = 0; axis < shape.size(); axis++) begin[axis] = random_int(0, 2), end[axis] = random_int(0, 2);
  std::vector<int64_t> positions(static_cast<size_t>(random_int(0, 40)));
  const int64_t size = random_int(1, 30);
  for (auto& position : positions) position = random_int(0, size - 1);
  check("gather", [=, outer = random_int(0, 4), inner = coin() ? 1 : random_int(0, 9)](auto& t) {
    return make_gather({bytes, outer, size, inner, positions}, t);
  });
  check("pad", [=](auto& t) { return make_pad({bytes, shape, begin, end, 42}, t); });
}

template <size_t N>
std::array<int64_t, N> output_size(const std::array<int64_t, N>& input, const std::array<int64_t, N>& kernel,
                                   const std::array<int64_t, N>& strides, const std::array<int64_t, N>& dilations,
                                   const std::array<int64_t, N>& begin) {
  std::array<int64_t, N> output{};
  for (size_t i = 0; i < N; i++) {
    const int64_t room = input[i] + begin[i] + random_int(0, 2) - (kernel[i] - 1) * dilations[i] - 1;
    output[i] = room < 0 ? 0 : room / strides[i] + 1;
  }
  return output;
}

void windows() {
  const auto input = random_tuple<3>(1, 5), kernel = random_tuple<3>(1, 3), strides = random_tuple<3>(1, 2);
  const auto dilations = random_tuple<3>(1, 2), begin = random_tuple<3>(0, 2);
  const auto output = output_size(input, kernel, strides, dilations, begin);
  const int64_t groups = random_int(1, 3), channels = groups * random_int(1, 30);
  check("float-pool", [=, operation = static_cast<PoolOperation>(random_int(0, 2))](auto& t) {
    return make_float_pool({operation, 2, channels, input, output, kernel, strides, dilations, begin, begin}, t);
  });
  check("byte-max-pool", [=, type = byte_type()](auto& t) {
    return make_byte_max_pool({type, 2, channels, input, output, kernel, strides, dilations, begin}, t);
  });
  check("byte-average-pool", [=, type = byte_type(), counts_padding = coin(), is_raw = coin()](auto& t) {
    return make_byte_average_pool({type, 2, channels, input, output, kernel, strides, dilations, begin, counts_padding,
                                   is_raw, is_raw ? 1.0f : 0.3f, is_raw ? 0.0f : 3.0f, 0.2f, 7.0f},
                                  t);
  });
  const int64_t outputs = groups * random_int(1, 2);
  check("reference-convolution", [=, transposed = coin()](auto& t) {
    return make_reference_convolution({ByteType::u8, ByteType::s8, 1, channels, outputs, groups, outputs, input, output,
                                       kernel, strides, dilations, begin, transposed},
                                      t);
  });
  check("float-product", [=, transposed = coin()](auto& t) {
    return make_float_product(
        {2, groups * 3, groups * outputs, groups, input, output, kernel, strides, dilations, begin, transposed}, t);
  });
  const auto size = random_tuple<2>(1, 10), taps = coin() ? Pair{3, 3} : random_tuple<2>(1, 6),
             steps = random_tuple<2>(1, 2);
  const auto apart = coin() ? Pair{1, 1} : random_tuple<2>(1, 3), before = random_tuple<2>(0, 3);
  const auto result = output_size(size, taps, steps, apart, before);
  const OutputType type = output_type();
  const int64_t inputs = random_int(1, 150), multiplier = random_int(1, 2);
  const DepthwiseParams params{byte_type(), byte_type(),  type,  2,     inputs, multiplier,
                               size,        result,       taps,  steps, apart,  before,
                               zero_point(), requantization(type), scaled_end(type, inputs * multiplier)};
  check("depthwise", [=](auto& t) { return make_depthwise(params, t); });
}

void resizing() {
  const auto input = random_tuple<2>(1, 9), output = random_tuple<2>(1, 9);
  const LinearResizeParams params{byte_type(),
                                  random_int(1, 2),
                                  input,
                                  output,
                                  random_int(1, 70),
                                  static_cast<int32_t>(random_int(0, 11)),
                                  static_cast<ResizeRounding>(random_int(0, 2))};
  check("linear-resize", [=](auto& t) { return make_linear_resize(params, t); });
}

void convolutions() {
  const auto input = coin() ? random_tuple<2>(1, 12) : Pair{random_int(1, 4), random_int(14, 40)}, kernel = coin() ? Pair{3, 3} : random_tuple<2>(1, 5),
             strides = random_tuple<2>(1, 2);
  const auto dilations = coin() ? Pair{1, 1} : random_tuple<2>(1, 3), begin = random_tuple<2>(0, 3);
  const int64_t groups = random_int(1, 2), channels = groups * random_int(1, 20), outputs = groups * random_int(1, 140);
  const OutputType type = output_type();
  const Pair output = output_size(input, kernel, strides, dilations, begin);
  const bool channels_first = groups == 1 && coin();
  const ConvolutionParams params{byte_type(), byte_type(),  channels_first, type, 2, channels, outputs, groups,
                                 input,       output,       kernel, strides, dilations, begin,
                                 zero_point(), requantization(type), scaled_end(type, outputs), slice(type, outputs)};
  check("convolution", [=](auto& t) { return make_convolution(params, t); });
  const int64_t rows = random_int(1, 20), inner = random_int(1, 70), columns = random_int(1, 140);
  const MatrixProductParams matrices{byte_type(), byte_type(), {2},   {rows * inner}, {coin() ? inner * columns : 0},
                                     rows,        inner,       columns, scaled_end(OutputType::s32, columns)};
  check("matrix-product", [=](auto& t) { return make_matrix_product(matrices, t); });
  // Windows of one position; at times with weights too many for parts to take them all in turn.
  const bool heavy = random_int(0, 3) == 0;
  const int64_t wide = heavy ? 160 : 4 * random_int(1, 12), many = heavy ? 420 : random_int(1, 200);
  const ConvolutionParams pointwise{
      byte_type(), byte_type(), coin(), type,   2,      wide,   many, 1,
      input,       input,       {1, 1}, {1, 1}, {1, 1}, {0, 0}, zero_point(), requantization(type), scaled_end(type, many), slice(type, many)};
  check("convolution", [=](auto& t) { return make_convolution(pointwise, t); });
  // Sums of windows that no two s16 numbers hold.
  const ConvolutionParams large{byte_type(), byte_type(), false,  type,   1,      1900,   3,   1,
                                {4, 4},      {4, 4},      {3, 3}, {1, 1}, {1, 1}, {1, 1}, 100, requantization(type), {}, {}};
  if (heavy) check("convolution", [=](auto& t) { return make_convolution(large, t); });
}

BufferRef arena(int64_t offset) { return {Space::arena, offset, 0, nullptr}; }

// A convolution and a kernel through the arena.
SessionPlan plan(int threads) {
  using Type = dnnl::memory::data_type;
  using Tag = dnnl::memory::format_tag;
  ConvolutionSpec spec;
  spec.source = Desc({1, 16, 12, 12}, Type::u8, Tag::acdb);
  spec.weights = Desc({16, 16, 3, 3}, Type::s8, Tag::any);
  spec.destination = Desc({1, 16, 12, 12}, Type::u8, Tag::acdb);
  spec.bias = Desc({16}, Type::s32, Tag::a);
  spec.strides = spec.dilations = spec.begin = spec.end = {1, 1};
  spec.attributes.scales.assign(16, 0.01f);
  const PrimitiveHandle convolution = make_convolution(spec, threads);
  const std::vector<uint8_t> weights(16 * 16 * 9, 3);
  const int64_t bytes = 16 * 12 * 12;
  Command first, second;
  first.name = "convolution";
  first.primitive = convolution;
  for (const PrimitiveArgument& argument : convolution->arguments) {
    BufferRef ref{Space::input, 0, 0, nullptr};
    if (argument.name == "weights") {
      const Desc plain({16, 16, 3, 3}, Type::s8, Tag::abcd);
      ref = {Space::constant, 0, 0, std::make_shared<ConstantMemory>(pack(weights.data(), plain, argument.desc, threads))};
    } else if (argument.name == "bias") {
      ref = {Space::constant, 0, 0, std::make_shared<ConstantMemory>(std::make_shared<AlignedBuffer>(64))};
    } else if (argument.name == "destination") {
      ref = arena(0);
    } else if (argument.name == "scratchpad") {
      ref = arena(4096);
    }
    first.arguments.emplace_back(argument.name, ref);
  }
  auto table = std::make_shared<AlignedBuffer>(256);
  for (int i = 0; i < 256; i++) table->data()[i] = static_cast<uint8_t>(255 - i);
  second.name = "lut";
  second.kernel = std::make_shared<KernelProgram>(make_lut({bytes, 1, {}}, {best_isa(), threads}));
  second.arguments = {
      {"source", arena(0)}, {"table", {Space::constant, 0, 0, std::make_shared<ConstantMemory>(table)}}, {"destination", {Space::output, 0, 0, nullptr}}};
  SessionPlan result;
  result.threads = threads;
  result.arena_bytes = 4096 + convolution->scratchpad_bytes;
  result.input_bytes = result.output_bytes = {bytes};
  result.commands.push_back(std::move(first));
  result.commands.push_back(std::move(second));
  return result;
}

void sessions() {
  for (int round = 0; round < 8; round++) {
    const int threads = usable_threads(1 + round % 2);
    const auto shared = std::make_shared<SessionCore>(plan(threads));
    SessionCore& session = *shared;
    std::vector<Exact> buffers;
    for (int i = 0; i < 8; i++) buffers.emplace_back(16 * 12 * 12), fill(buffers.back());
    std::atomic<int> finished = 0;
    for (int i = 0; i < 6; i += 2) {
      session.submit({buffers[i].memory.get()}, coin(), {buffers[i + 1].memory.get()}, [&](std::exception_ptr) { finished++; });
    }
    if (coin()) session.run({buffers[6].memory.get()}, {buffers[7].memory.get()});
    session.close();
    session.wait();
    if (finished != 3) std::fprintf(stderr, "a run was lost\n"), std::exit(1);
  }
}

}  // namespace
}  // namespace unskew

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 200;
  for (int i = 0; i < rounds; i++) {
    unskew::elementwise();
    unskew::binary();
    unskew::movement();
    unskew::windows();
    unskew::convolutions();
    unskew::resizing();
  }
  unskew::sessions();
  std::printf("kernels_test: %d rounds passed\n", rounds);
}
