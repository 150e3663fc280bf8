#include "declaration.h"

namespace unskew {

namespace {

// A declaration is flat; a value that contains itself must end somewhere.
constexpr int kDeepest = 8;

}  // namespace

void Declaration::refuse(const std::string& expected) const {
  throw Napi::TypeError::New(tree_->env_, path() + " must be " + expected + ", received " + received_text());
}

Declaration Declaration::property(const char* name) const {
  if (!is(Kind::object)) refuse("an object");
  for (const Node& child : node_->children) {
    if (child.name == name) return {*tree_, &child, nullptr};
  }
  return {*tree_, nullptr, node_, name};
}

std::vector<Declaration> Declaration::elements() const {
  if (!is(Kind::array)) refuse("an array");
  std::vector<Declaration> result;
  result.reserve(node_->children.size());
  for (const Node& child : node_->children) result.push_back({*tree_, &child, nullptr});
  return result;
}

std::string Declaration::path() const {
  return node_ != nullptr ? tree_->path_of(*node_) : path_to(tree_->path_of(*parent_), name_);
}

// As `received` shows the value that it was copied from.
std::string Declaration::received_text() const {
  if (node_ == nullptr) return "undefined";
  const Napi::Env env = tree_->env_;
  switch (node_->kind) {
    case Kind::boolean: return received(Napi::Boolean::New(env, node_->number != 0));
    case Kind::number: return received(Napi::Number::New(env, node_->number));
    case Kind::text: return received(Napi::String::New(env, node_->text));
    case Kind::object: return "an object";
    case Kind::other: return node_->text;
    case Kind::array: break;
  }
  std::string text;
  for (const Declaration& element : elements()) {
    if (text.size() >= 80) break;
    const bool is_nested = element.is(Kind::array) || element.is(Kind::object);
    text += (text.empty() ? "" : ", ") + (is_nested ? std::string("…") : element.received_text());
  }
  return shortened("[" + text + "]");
}

bool Declaration::Node::same_but_for_numbers(const Node& other) const {
  if (kind != other.kind || text != other.text || name != other.name || children.size() != other.children.size())
    return false;
  if (kind == Kind::boolean && number != other.number) return false;
  for (size_t i = 0; i < children.size(); i++) {
    if (!children[i].same_but_for_numbers(other.children[i])) return false;
  }
  return true;
}

DeclarationTree::DeclarationTree(const Argument& argument)
    : env_(argument.value().Env()), path_(argument.path()), root_(copied(argument.value(), 0)) {
  link(root_);
}

DeclarationTree::Node DeclarationTree::copied(const Napi::Value& value, int depth) {
  Node node;
  if (value.IsNumber()) {
    node.kind = Declaration::Kind::number;
    node.number = value.As<Napi::Number>().DoubleValue();
  } else if (value.IsBoolean()) {
    node.kind = Declaration::Kind::boolean;
    node.number = value.As<Napi::Boolean>().Value() ? 1 : 0;
  } else if (value.IsString()) {
    node.kind = Declaration::Kind::text;
    node.text = value.As<Napi::String>().Utf8Value();
  } else if (value.IsArray() && depth < kDeepest) {
    node.kind = Declaration::Kind::array;
    const auto array = value.As<Napi::Array>();
    const uint32_t count = array.Length();
    node.children.reserve(count);
    for (uint32_t i = 0; i < count; i++) node.children.push_back(copied(array.Get(i), depth + 1));
  } else if (value.IsObject() && !value.IsTypedArray() && !value.IsFunction() && depth < kDeepest) {
    node.kind = Declaration::Kind::object;
    const auto object = value.As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    const uint32_t count = names.Length();
    for (uint32_t i = 0; i < count; i++) {
      const Napi::Value name = names.Get(i);
      const Napi::Value property = object.Get(name);
      if (property.IsUndefined()) continue;
      node.children.push_back(copied(property, depth + 1));
      node.children.back().name = name.ToString().Utf8Value();
    }
  } else {
    node.text = received(value);
  }
  return node;
}

// From now on nodes stay where they are.
void DeclarationTree::link(Node& node) {
  if (node.kind == Declaration::Kind::number) numbers_.push_back(&node.number);
  for (Node& child : node.children) {
    child.parent = &node;
    link(child);
  }
}

std::string DeclarationTree::path_of(const Node& node) const {
  if (node.parent == nullptr) return path_;
  const std::string path = path_of(*node.parent);
  if (node.parent->kind == Declaration::Kind::object) return path_to(path, node.name);
  return path_to(path, static_cast<size_t>(&node - node.parent->children.data()));
}

}  // namespace unskew
