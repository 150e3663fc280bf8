// The declaration of a kernel, outside of JavaScript: read once, it gives kernels for other sizes when its numbers change.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"

namespace unskew {

class DeclarationTree;

// A value of a declaration and the way to it. It is valid as long as its tree.
class Declaration : public Readings<Declaration> {
 public:
  bool absent() const { return node_ == nullptr; }
  [[noreturn]] void refuse(const std::string& expected) const;

  Declaration property(const char* name) const;
  std::vector<Declaration> elements() const;

  bool is_boolean() const { return is(Kind::boolean); }
  bool is_number() const { return is(Kind::number); }
  bool is_text() const { return is(Kind::text); }
  bool as_boolean() const { return node_->number != 0; }
  double as_number() const { return node_->number; }
  const std::string& as_text() const { return node_->text; }
  int64_t count() const { return is(Kind::array) ? static_cast<int64_t>(node_->children.size()) : -1; }

 private:
  friend class DeclarationTree;

  enum class Kind { boolean, number, text, array, object, other };

  struct Node {
    Kind kind = Kind::other;
    double number = 0;   // of a boolean 0 or 1
    std::string text{};  // of another kind of value: how messages show it
    std::string name{};  // in an object
    std::vector<Node> children{};
    const Node* parent = nullptr;

    bool same_but_for_numbers(const Node& other) const;
  };

  Declaration(const DeclarationTree& tree, const Node* node, const Node* parent, const char* name = "")
      : tree_(&tree), node_(node), parent_(parent), name_(name) {}

  bool is(Kind kind) const { return node_ != nullptr && node_->kind == kind; }
  std::string path() const;
  std::string received_text() const;

  const DeclarationTree* tree_;
  const Node* node_;    // null: absent
  const Node* parent_;  // of an absent one
  const char* name_;    // a literal
};

// A copy of a value of JavaScript: booleans, numbers, strings, arrays and objects.
class DeclarationTree {
 public:
  explicit DeclarationTree(const Argument& argument);
  DeclarationTree(const DeclarationTree&) = delete;
  DeclarationTree& operator=(const DeclarationTree&) = delete;

  Declaration root() const { return {*this, &root_, nullptr}; }
  // Every number, in the order of properties and elements.
  const std::vector<double*>& numbers() const { return numbers_; }
  bool same_but_for_numbers(const DeclarationTree& other) const { return root_.same_but_for_numbers(other.root_); }

 private:
  friend class Declaration;
  using Node = Declaration::Node;

  static Node copied(const Napi::Value& value, int depth);
  void link(Node& node);
  std::string path_of(const Node& node) const;

  napi_env env_;
  std::string path_;
  Node root_;
  std::vector<double*> numbers_;
};

}  // namespace unskew
