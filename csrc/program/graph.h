// Graph: what a traced function computes, in single-assignment form. Nodes are added in the order of the trace; on the
// way constants are folded, equal nodes become one, and views become mere descriptions of memory.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "../core/kernel.h"

namespace alice::program {

// Whose memory a value lies in.
enum class Source : std::uint8_t {
  Input,     // of the caller; contiguous
  Captured,  // a Tensor from outside, which updates change in place
  Constant,
  Node,  // computed
};

struct Value {
  Array array;  // its layout; only captured values and constants have data
  Source source;
  int root;             // the value whose memory this one is a view of; itself if it is none
  std::int64_t offset;  // bytes from the first element of the root
  bool view;            // of the root
  std::int64_t bytes() const { return array.numel() * static_cast<std::int64_t>(itemsize(array.dtype())); }
};

struct Node {
  const Kernel* kernel;
  std::vector<int> in, out;
  std::vector<Attr> attrs;
  bool update = false;  // writes to captured values: `out` names them, nobody else computes them
};

class Graph {
 public:
  int add_input(const Dims& shape, DType dtype);
  int add_captured(const Array& array);
  int add_constant(const Array& array);
  // Returns the results. Throws what the shape rule throws.
  std::vector<int> add(const Kernel& kernel, std::vector<int> in, std::vector<Attr> attrs);
  void add_update(const Kernel& kernel, std::vector<int> in, std::vector<Attr> attrs, std::vector<int> targets);

  // A result of the program, in memory of its own.
  void add_result(int value);
  // Once all is added: drops the nodes that neither a result nor an update needs, and makes one node of two where there
  // is a kernel that does the work of both (KernelPair). Slopes by which many values are scaled are computed once, and
  // adjoints of slices are added where they lie (PlacedSum).
  void simplify();

  const Value& value(int i) const { return values_[static_cast<std::size_t>(i)]; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int>& inputs() const { return inputs_; }
  const std::vector<int>& results() const { return results_; }

  // The operands of a node as kernels are asked about them: layouts, and data for constants alone.
  struct Operands {
    std::vector<Array> in, out;
  };
  Operands described(const Node& node) const;
  // How often every value is read: by nodes, directly or through views, and as a result of the program.
  std::vector<int> count_readers() const;

 private:
  int add_value(const Array& array, Source source, int root = -1, std::int64_t offset = 0);
  void remove_dead();
  void join_pairs();
  void share_slopes();
  void add_at_places();
  int add_zeros(Dims shape, DType dtype);  // one number, seen with the shape, of a value that may move
  bool fold(const Call& call, std::vector<int>* out);
  bool join(Node& first, const Node& second) const;
  int unchanged(const Kernel& kernel, const std::vector<int>& in, const Call& call) const;
  std::string key_of(const Kernel& kernel, const std::vector<int>& in, const std::vector<Attr>& attrs) const;

  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<int> inputs_, results_;
  std::vector<bool> is_result_;  // by value
  std::unordered_map<std::string, int> constants_;
  std::unordered_map<std::string, std::vector<int>> known_;
  int updates_ = 0;
};

}  // namespace alice::program
