// The exports of the addon: OneDnnBinding of src/codegen/onednn/binding.ts.
#include <malloc.h>

#include "arenas.h"
#include "arguments.h"
#include "array_buffer.h"
#include "byte_sums.h"
#include "coded_errors.h"
#include "memory_desc.h"
#include "native_memory.h"
#include "primitive.h"
#include "self_test.h"
#include "session.h"
#include "session_template.h"

namespace unskew {

namespace {

Napi::Value version(Napi::Env env, int major, int minor, int patch) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("major", Napi::Number::New(env, major));
  result.Set("minor", Napi::Number::New(env, minor));
  result.Set("patch", Napi::Number::New(env, patch));
  return frozen(result);
}

// AVX2-VNNI counts as avx2: not every int8 implementation of oneDNN uses it, and the others saturate.
const char* onednn_isa() {
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());
  const auto has = [&](dnnl_cpu_isa_t wanted) { return (isa & wanted) == wanted; };
  if (has(dnnl_cpu_isa_avx512_core_amx)) return "amx";
  if (has(dnnl_cpu_isa_avx512_core_vnni)) return "vnni";
  if (has(dnnl_cpu_isa_avx512_core)) return "avx512";
  if (has(dnnl_cpu_isa_avx2)) return "avx2";
  return has(dnnl_cpu_isa_avx) ? "avx" : "sse41";
}

constexpr std::pair<const char*, Isa> kKernelIsas[] = {
    {"scalar", Isa::scalar}, {"avx2", Isa::avx2}, {"avx512", Isa::avx512}};

Napi::Value kernel_isa(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), kKernelIsas[static_cast<int>(addon_data(info.Env()).kernel_isa)].first);
}

Napi::Value set_kernel_isa(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "setKernelIsa: isa");
  const Isa isa = argument.absent() ? best_isa() : argument.choice(kKernelIsas);
  if (isa > best_isa()) argument.refuse("an instruction set that this CPU has");
  addon_data(info.Env()).kernel_isa = isa;
  return info.Env().Undefined();
}

// byteSums(bytes, blocks, rows, length): see byte_sums.h.
Napi::Value byte_sums_function(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Argument(info[0], "byteSums: bytes").bytes();
  const int64_t blocks = Argument(info[1], "byteSums: blocks").integer(0, kMaximumDimension);
  const int64_t rows = Argument(info[2], "byteSums: rows").integer(0, kMostSummedRows);
  const int64_t length = Argument(info[3], "byteSums: length").integer(0, kMaximumDimension);
  // In parts that cannot overflow: each factor is below 2^31.
  const int64_t count = blocks * length;
  require(rows == 0 ? bytes.ByteLength() == 0
                    : bytes.ByteLength() % static_cast<uint64_t>(rows) == 0 &&
                          bytes.ByteLength() / static_cast<uint64_t>(rows) == static_cast<uint64_t>(count),
          "byteSums: bytes should have blocks · rows · length elements");
  require(count <= kMaximumDimension, "byteSums: blocks · length should be below 2^31");
  const auto array = [&] {
    const auto elements = static_cast<size_t>(count);
    return Napi::Int32Array::New(info.Env(), elements, new_array_buffer(info.Env(), elements * sizeof(int32_t)), 0);
  };
  Napi::Int32Array sums = array(), aboves = array();
  byte_sums(reinterpret_cast<const int8_t*>(bytes.Data()), blocks, rows, length, sums.Data(), aboves.Data());
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("sums", sums);
  result.Set("aboves", aboves);
  return result;
}

Napi::Value simulate_wrong_sums_function(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "simulateWrongSums: part");
  simulate_wrong_sums(argument.absent() ? "" : argument.text());
  return info.Env().Undefined();
}

// Ended threads leave what they had of the heap to the next ones, which may never come.
Napi::Value trim_function(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return info.Env().Undefined();
}

Napi::Value self_tests(const Napi::CallbackInfo& info) {
  const SelfTestTimes times = self_test_times();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("count", Napi::Number::New(info.Env(), static_cast<double>(times.count)));
  result.Set("microseconds", Napi::Number::New(info.Env(), times.microseconds));
  return frozen(result);
}

template <class Class>
Napi::FunctionReference constructor(Napi::Env env) {
  return Napi::Persistent(Class::define(env));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData;
  env.SetInstanceData(data);
  data->array_buffer = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
  if (const Napi::Value buffer = env.Global().Get("Buffer"); buffer.IsFunction()) {
    const Napi::Value allocate = buffer.As<Napi::Object>().Get("allocUnsafeSlow");
    if (allocate.IsFunction()) data->unfilled_buffer = Napi::Persistent(allocate.As<Napi::Function>());
  }
  data->memory_desc = constructor<MemoryDesc>(env);
  data->native_memory = constructor<NativeMemory>(env);
  data->held_file = constructor<HeldFile>(env);
  data->primitive = constructor<Primitive>(env);
  data->session = constructor<Session>(env);
  data->session_opening = constructor<SessionOpening>(env);
  data->session_template = constructor<SessionTemplate>(env);
  data->arenas = constructor<Arenas>(env);
  const dnnl_version_t* found = dnnl_version();
  exports.Set("version", version(env, found->major, found->minor, found->patch));
  exports.Set("builtFor", version(env, DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH));
  exports.Set("isa", onednn_isa());
  exports.Set("desc", Napi::Function::New<coded<desc_function>>(env, "desc"));
  exports.Set("memory", Napi::Function::New<coded<memory_function>>(env, "memory"));
  exports.Set("lent", Napi::Function::New<coded<lent_function>>(env, "lent"));
  exports.Set("held", Napi::Function::New<coded<held_function>>(env, "held"));
  exports.Set("contents", Napi::Function::New<coded<contents_function>>(env, "contents"));
  exports.Set("packedForms", Napi::Function::New<coded<packed_forms_function>>(env, "packedForms"));
  exports.Set("prepacked", Napi::Function::New<coded<prepacked_function>>(env, "prepacked"));
  exports.Set("pack", Napi::Function::New<coded<pack_function>>(env, "pack"));
  exports.Set("arenas", Napi::Function::New<coded<arenas_function>>(env, "arenas"));
  exports.Set("session", Napi::Function::New<coded<session_function>>(env, "session"));
  exports.Set("opening", Napi::Function::New<coded<opening_function>>(env, "opening"));
  exports.Set("sessionTemplate", Napi::Function::New<coded<session_template_function>>(env, "sessionTemplate"));
  exports.Set("byteSums", Napi::Function::New<coded<byte_sums_function>>(env, "byteSums"));
  exports.Set("trim", Napi::Function::New<coded<trim_function>>(env, "trim"));
  exports.Set("setKernelIsa", Napi::Function::New<coded<set_kernel_isa>>(env, "setKernelIsa"));
  exports.DefineProperty(Napi::PropertyDescriptor::Accessor<kernel_isa>("kernelIsa", napi_enumerable));
  exports.Set("simulateWrongSums", Napi::Function::New<coded<simulate_wrong_sums_function>>(env, "simulateWrongSums"));
  exports.DefineProperty(Napi::PropertyDescriptor::Accessor<self_tests>("selfTests", napi_enumerable));
  add_primitive_functions(exports);
  return exports;
}

NODE_API_MODULE(unskew, initialize)

}  // namespace

}  // namespace unskew
