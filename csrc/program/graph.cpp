#include "graph.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "../core/in_place.h"
#include "../core/slopes.h"
#include "loops.h"

namespace alice::program {
namespace {

constexpr std::int64_t kLargestFolded =
    1 << 14;  // elements: a program should not carry large arrays that are cheap to make

constexpr std::size_t kLargestShared = 64;  // bytes

constexpr std::int64_t kFewestJoined = 256;  // elements: fewer are none of a loop's time

// An array that is nowhere yet. The address is never read; a view of it tells its offset.
Array placed_nowhere(const Dims& shape, DType dtype) {
  return Array::wrap({}, reinterpret_cast<std::byte*>(std::uintptr_t{1} << 40), dtype, shape,
                     contiguous_strides(shape));
}

// May an update change this memory? An argument may be a captured Tensor, too.
bool may_change(const Value& v) { return v.source == Source::Captured || v.source == Source::Input; }

bool is_number(const Array& a, double number) { return a.numel() == 1 && real_at(a.bytes(), a.dtype()) == number; }

Array one(DType dtype) {  // of float32 or float64
  Array a = Array::empty({}, dtype);
  dtype == DType::Float32 ? void(*a.data<float>() = 1.0f) : void(*a.data<double>() = 1.0);
  return a;
}

template <class T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append(std::string& key, const Dims& dims) {
  append(key, dims.size());
  for (std::int64_t d : dims) append(key, d);
}

// Is there a loop for this function that gives the slope by which `scaled` scales? Of a few numbers both are as quick.
bool gives_slope(const Graph& graph, const Node& function, const Node& scaled) {
  if (!function.kernel->elementwise || graph.value(function.in[0]).array.numel() < kFewestJoined) return false;
  const auto loop = [&](const Node& n) {
    auto [in, out] = graph.described(n);
    return n.kernel->elementwise({*n.kernel, in, out, n.attrs}).loop;
  };
  return slope_loop(loop(function), loop(scaled)) != nullptr;
}

}  // namespace

int Graph::add_value(const Array& array, Source source, int root, std::int64_t offset) {
  const int id = static_cast<int>(values_.size());
  values_.push_back({array, source, root < 0 ? id : root, offset, root >= 0});
  is_result_.push_back(false);
  return id;
}

int Graph::add_input(const Dims& shape, DType dtype) {
  inputs_.push_back(add_value(placed_nowhere(shape, dtype), Source::Input));
  return inputs_.back();
}

int Graph::add_captured(const Array& array) { return add_value(array, Source::Captured); }
// Small ones of the same bits are one value, so that what is computed with them twice is found equal.
int Graph::add_constant(const Array& array) {
  const auto bytes = static_cast<std::size_t>(array.numel()) * itemsize(array.dtype());
  if (bytes > kLargestShared || !array.is_contiguous()) return add_value(array, Source::Constant);
  std::string key;
  append(key, array.dtype());
  append(key, array.shape());
  key.append(reinterpret_cast<const char*>(array.bytes()), bytes);
  const auto [place, fresh] = constants_.try_emplace(std::move(key), static_cast<int>(values_.size()));
  return fresh ? add_value(array, Source::Constant) : place->second;
}

// Computes now what depends on constants alone. What fails then shall fail when the program runs.
bool Graph::fold(const Call& call, std::vector<int>* out) {
  for (const Array& a : call.out)
    if (a.numel() > kLargestFolded) return false;
  std::vector<Array> results(call.out.size());
  try {
    Call now{call.kernel, call.in, results, call.attrs};
    evaluate(now);
  } catch (const Error&) {
    return false;
  }
  for (const Array& a : results) out->push_back(add_constant(a));
  return true;
}

// The operand that a neutral one leaves as it is; -1 if there is none, or its memory may change later.
int Graph::unchanged(const Kernel& kernel, const std::vector<int>& in, const Call& call) const {
  if (!kernel.neutral) return -1;
  for (int k : {0, 1}) {
    const Value& other = value(in[static_cast<std::size_t>(1 - k)]);
    if (may_change(value(in[static_cast<std::size_t>(k)]))) continue;
    if (other.source == Source::Constant && is_number(other.array, *kernel.neutral) &&
        call.in[static_cast<std::size_t>(k)].shape() == call.out[0].shape())
      return in[static_cast<std::size_t>(k)];
  }
  return -1;
}

// What reads memory that updates change is equal only between two updates.
std::string Graph::key_of(const Kernel& kernel, const std::vector<int>& in, const std::vector<Attr>& attrs) const {
  std::string key;
  append(key, &kernel);
  bool changing = false;
  for (int i : in) {
    append(key, i);
    changing = changing || may_change(value(i));
  }
  append(key, changing ? updates_ : -1);
  for (const Attr& a : attrs) {
    append(key, a.kind());
    if (a.is(AttrKind::Integer)) append(key, a.integer());
    if (a.is(AttrKind::Flag)) append(key, a.flag());
    if (a.is(AttrKind::DType)) append(key, a.dtype());
    if (a.is(AttrKind::Real)) append(key, a.real());
    if (a.is(AttrKind::Dims)) append(key, a.dims());
    if (a.is(AttrKind::Bodies))
      for (const auto& body : a.bodies()) append(key, body.get());
  }
  return key;
}

std::vector<int> Graph::add(const Kernel& kernel, std::vector<int> in, std::vector<Attr> attrs) {
  std::vector<Array> arrays, outs(kernel.n_results(attrs));
  arrays.reserve(in.size());
  bool constant = true;
  for (int i : in) {
    arrays.push_back(value(i).array);
    constant = constant && value(i).source == Source::Constant;
  }
  Call call{kernel, arrays, outs, attrs};
  infer(call);

  // What is computed again shall not be found equal to what it was before: a view, and never the same one twice.
  if (kernel.renames) {
    const Value base = value(in[0]);
    return {add_value(base.array, base.source, base.root, base.offset)};
  }

  const Exchange exchange = exchange_of(kernel, attrs);
  std::vector<int> results;
  if (constant && exchange == Exchange::None && fold(call, &results)) return results;
  if (const int same = unchanged(kernel, in, call); same >= 0) return {same};
  std::string key = key_of(kernel, in, attrs);
  if (exchange != Exchange::None) append(key, nodes_.size());  // equal to no other
  if (auto found = known_.find(key); found != known_.end()) return found->second;

  bool computes = outs.empty();
  for (const Array& out : outs) {
    if (out.is_abstract()) {
      results.push_back(add_value(placed_nowhere(out.shape(), out.dtype()), Source::Node));
      computes = true;
    } else if (same_layout(out, arrays[0])) {
      results.push_back(in[0]);
    } else {
      const Value& base = value(in[0]);
      results.push_back(add_value(out, base.source, base.root, base.offset + (out.bytes() - arrays[0].bytes())));
    }
  }
  if (computes) nodes_.push_back({&kernel, std::move(in), results, std::move(attrs)});
  known_.emplace(std::move(key), results);
  return results;
}

void Graph::add_update(const Kernel& kernel, std::vector<int> in, std::vector<Attr> attrs, std::vector<int> targets) {
  nodes_.push_back({&kernel, std::move(in), std::move(targets), std::move(attrs), true});
  ++updates_;
}

void Graph::add_result(int value) {
  const Value& v = values_[static_cast<std::size_t>(value)];
  if (v.source != Source::Node || v.view || is_result_[static_cast<std::size_t>(value)]) {
    const int fresh = add_value(placed_nowhere(v.array.shape(), v.array.dtype()), Source::Node);
    nodes_.push_back({&Registry::instance().copy(), {value}, {fresh}, {}});
    value = fresh;
  }
  is_result_[static_cast<std::size_t>(value)] = true;
  results_.push_back(value);
}

void Graph::simplify() {
  remove_dead();
  join_pairs();
  share_slopes();
  add_at_places();
}

void Graph::remove_dead() {
  std::vector<bool> needed(values_.size(), false);
  for (int r : results_) needed[static_cast<std::size_t>(r)] = true;
  std::vector<Node> live;  // the last one first
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    const bool wanted =
        node->update || exchange_of(*node->kernel, node->attrs) != Exchange::None ||
        std::any_of(node->out.begin(), node->out.end(), [&](int v) { return needed[static_cast<std::size_t>(v)]; });
    if (!wanted) continue;
    for (int v : node->in) needed[static_cast<std::size_t>(value(v).root)] = true;
    live.push_back(std::move(*node));
  }
  nodes_.assign(std::make_move_iterator(live.rbegin()), std::make_move_iterator(live.rend()));
}

void Graph::join_pairs() {
  std::unordered_map<int, std::size_t> producer;  // of values, since the last update
  std::vector<Node> kept;
  for (Node& node : nodes_) {
    if (node.update) producer.clear();
    const auto found = producer.find(node.in.empty() ? -1 : node.in.back());
    if (found != producer.end() && join(kept[found->second], node)) continue;
    if (!node.update)
      for (int v : node.out) producer[v] = kept.size();
    kept.push_back(std::move(node));
  }
  nodes_ = std::move(kept);
}

// Kernels that scale by the slope at one value become products with it, where their work is done elsewhere: for several
// of them once, or by the loop of a function of that value before them, which gives the slope, too.
void Graph::share_slopes() {
  const auto shares = [&](const Node& n) {
    return n.kernel->scaling == Scaling::BySlope && !(updates_ > 0 && may_change(value(n.in[1]))) &&
           !for_storage(value(n.out[0]).array.dtype()) && value(n.in[1]).array.shape() == value(n.out[0]).array.shape();
  };
  using Place = std::pair<int, const Kernel*>;  // the value, and what scales by the slope at it
  std::map<Place, std::vector<std::size_t>> uses;
  std::map<Place, int> slopes;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (shares(nodes_[i])) uses[{nodes_[i].in[1], nodes_[i].kernel}].push_back(i);
  if (uses.empty()) return;
  std::vector<Node> kept;
  const auto add_slope = [&](const Place& at) {
    const Array like = value(at.first).array;
    const int slope = add_value(placed_nowhere(like.shape(), like.dtype()), Source::Node);
    kept.push_back({at.second, {add_constant(one(like.dtype())), at.first}, {slope}, {}});
    slopes.emplace(at, slope);
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& n = nodes_[i];
    if (shares(n)) {
      const Place at{n.in[1], n.kernel};
      if (!slopes.contains(at) && uses[at].size() > 1) add_slope(at);
      if (const auto slope = slopes.find(at); slope != slopes.end()) {
        n.kernel = &Registry::instance().scale();
        n.in[1] = slope->second;
      }
    }
    const int of = n.in.size() == 1 ? n.in[0] : -1;
    std::vector<Place> joined;
    for (auto u = uses.lower_bound({of, nullptr}); u != uses.end() && u->first.first == of; ++u)
      if (u->second.back() > i && !slopes.contains(u->first) && gives_slope(*this, n, nodes_[u->second.back()]))
        joined.push_back(u->first);
    kept.push_back(std::move(n));
    for (const Place& at : joined) add_slope(at);
  }
  nodes_ = std::move(kept);
}

// Whatever happens between the two: what the second reads besides must not be computed.
bool Graph::join(Node& first, const Node& second) const {
  const Kernel* both = Registry::instance().both(*first.kernel, *second.kernel);
  if (!both || first.attrs != second.attrs) return false;
  const auto others = second.in.begin() + (both->n_in - first.kernel->n_in);
  const auto results = others + first.kernel->n_in;
  const auto is_computed = [&](int v) { return value(v).source == Source::Node; };
  const auto is_result = [&](int v) { return std::find(first.out.begin(), first.out.end(), v) != first.out.end(); };
  if (std::any_of(second.in.begin(), others, is_computed) || !std::equal(others, results, first.in.begin()) ||
      !std::all_of(results, second.in.end(), is_result))
    return false;
  first.kernel = both;
  first.in.insert(first.in.end(), second.in.begin(), others);
  first.out.insert(first.out.end(), second.out.begin(), second.out.end());
  return true;
}

Graph::Operands Graph::described(const Node& node) const {
  const auto add = [&](const std::vector<int>& numbers, std::vector<Array>& to) {
    to.reserve(numbers.size());
    for (int i : numbers) {
      const Value& v = value(i);
      to.push_back(v.source == Source::Constant ? v.array : v.array.layout_only());
    }
  };
  Operands operands;
  add(node.in, operands.in);
  add(node.out, operands.out);
  return operands;
}

std::vector<int> Graph::count_readers() const {
  std::vector<int> readers(values_.size(), 0);
  for (const Node& n : nodes_)
    for (int v : n.in) {
      ++readers[static_cast<std::size_t>(v)];
      if (value(v).view) ++readers[static_cast<std::size_t>(value(v).root)];
    }
  for (int v : results_) ++readers[static_cast<std::size_t>(v)];
  return readers;
}

}  // namespace alice::program
