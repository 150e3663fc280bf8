#include "memory_desc.h"

#include "primitive_core.h"

namespace unskew {

namespace {

Napi::Value array_of(Napi::Env env, const Dims& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array.Set(i, Napi::Number::New(env, static_cast<double>(values[i])));
  return frozen(array);
}

// Strides of the dense tensor whose axes lie in the order `order`, outermost first.
Dims dense_strides(const Dims& dims, const std::vector<size_t>& order) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = stride;
    stride = checked_multiply(stride, dims[order[i]]);
  }
  return strides;
}

Desc make_desc(dnnl::memory::data_type type, const Dims& dims, const Argument& layout) {
  std::vector<size_t> order;
  if (layout.value().IsArray()) {
    const Dims strides = layout.integers(static_cast<int>(dims.size()), 1, kMaximumSize);
    int64_t span = 1;
    for (size_t i = 0; i < dims.size(); i++) span = checked_add(span, checked_multiply(dims[i] - 1, strides[i]));
    checked_multiply(span, 4);
    return {dims, type, strides};
  }
  const std::string name = layout.value().IsString() ? layout.text() : "";
  if (name == "any") return {dims, type, dnnl::memory::format_tag::any};
  if (name != "row-major" && name != "channels-last") {
    layout.refuse("'any', 'channels-last', 'row-major' or an array of strides");
  }
  for (size_t axis = 0; axis < dims.size(); axis++) order.push_back(axis);
  if (name == "channels-last" && dims.size() > 2) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  return {dims, type, dense_strides(dims, order)};
}

}  // namespace

Napi::Function MemoryDesc::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod<&MemoryDesc::equals>("equals")});
}

MemoryDesc::MemoryDesc(const Napi::CallbackInfo& info) : Wrapped(info) {
  const Napi::Env env = info.Env();
  const Napi::Value strides = is_plain(state_) ? array_of(env, layout_of(state_).strides) : env.Undefined();
  info.This().As<Napi::Object>().DefineProperties({
      fixed("dims", array_of(env, dims_of(state_))),
      fixed("type", Napi::String::New(env, type_name(type_of(state_)))),
      fixed("bytes", Napi::Number::New(env, static_cast<double>(state_.get_size()))),
      fixed("layout", Napi::String::New(env, layout_name(state_))),
      fixed("strides", strides),
  });
}

Napi::Value MemoryDesc::equals(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), state_ == from({info[0], "equals: other"}).desc());
}

Napi::Value desc_function(const Napi::CallbackInfo& info) {
  const auto type = data_type({info[0], "desc: type"});
  const Argument dims_argument(info[1], "desc: dims");
  const Dims dims = dims_argument.integers(-1, 1, kMaximumDimension);
  if (dims.empty() || dims.size() > DNNL_MAX_NDIMS) dims_argument.refuse("an array of 1 to 12 integers");
  checked_multiply(checked_product(dims), 4);
  return MemoryDesc::make(info.Env(), make_desc(type, dims, {info[2], "desc: layout"}));
}

}  // namespace unskew
