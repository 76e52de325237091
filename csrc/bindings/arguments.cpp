// Hot: every call runs through here.
#include "arguments.h"

#include "../ops/strided_copy.h"
#include "default_dtype.h"
#include "elsewhere.h"
#include "extension.h"
#include "forward.h"
#include "locked.h"
#include "views.h"

namespace alice {
namespace {

constexpr std::size_t kFew = 32;  // leaves that are looked through one by one

// The words of a signature that are no nodes: the kind in the low byte, above it a detail.
enum Kind : std::uint64_t {
  kData = static_cast<std::uint64_t>(NodeKind::kKinds),  // a Tensor or an array
  kSame,                                                 // the Tensor that was leaf number so-and-so already
  kBool,                                                 // numbers
  kInt,                                                  // … and their width
  kReal,
  kObject,
  kKeyword,  // its name is among the objects
};

}  // namespace

void Arguments::constant(PyObject* o) {
  signature_.objects.push_back(o);
  Py_INCREF(o);
}

// Equal values of users' types may be other objects each time: one of them stands for all. What compares by identity
// is not kept alive.
void Arguments::read_static(PyObject* o, const Statics& statics) {
  static PyObject* const array = PyUnicode_InternFromString("__array__");
  if (is_tensor(o) || is_numpy_array(o) || (_PyType_Lookup(Py_TYPE(o), array) && !is_numpy_scalar(o)))
    fail(ErrorKind::DType, "it is named as static, so it must be a value that compares: a flag, an axis, a shape; got ",
         Py_TYPE(o)->tp_name, ", whose values are an input; leave it out of static_argnums and static_argnames");
  word(kObject);
  if (is_plain(o) || Py_TYPE(o)->tp_richcompare == PyBaseObject_Type.tp_richcompare) return constant(o);
  const py::tuple key = py::make_tuple(py::handle(reinterpret_cast<PyObject*>(Py_TYPE(o))), py::handle(o));
  if (PyDict_GET_SIZE(statics.known.ptr()) > 4096) PyDict_Clear(statics.known.ptr());
  PyObject* const first = PyDict_SetDefault(statics.known.ptr(), key.ptr(), o);
  if (!first) {
    py::error_already_set error;
    if (!error.matches(PyExc_TypeError)) throw error;
    fail(ErrorKind::DType, "it is named as static, so it must be hashable; got ", Py_TYPE(o)->tp_name,
         "; pass a tuple in place of a list, a frozen dataclass in place of another");
  }
  constant(first);
}

void Arguments::read(PyObject* const* args, Py_ssize_t n, PyObject* names, const Statics& statics) {
  // What decides how a function runs besides its arguments: whether gradients are recorded, and what floats become.
  word(std::uint64_t{thread_state().active.has_backward()} | static_cast<std::uint64_t>(default_dtype()) << 1,
       static_cast<std::uint64_t>(n));
  for (position_ = 0; position_ < n; ++position_) {
    if (statics.names && position_ < 64 && (statics.positions >> position_ & 1))
      read_static(args[position_], statics);
    else
      walk_tree(*this, args[position_]);
  }
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) {
    keyword_ = PyTuple_GET_ITEM(names, i);
    word(kKeyword);
    constant(keyword_);
    if (statics.names && PySet_Contains(statics.names.ptr(), keyword_) == 1)
      read_static(args[n + i], statics);
    else
      walk_tree(*this, args[n + i]);
  }
  signature_.words[0] |= static_cast<std::uint64_t>(differentiated_) << 7;
}

// The leaf that is this parameter already, or -1: its gradient is one, however often it is passed.
std::int64_t Arguments::leaf_of(TensorObject* t) {
  if (leaves_.size() < kFew) {
    for (std::size_t i = 0; i < leaves_.size(); ++i)
      if (leaves_[i].tensor == t) return static_cast<std::int64_t>(i);
    return -1;
  }
  for (; numbered_ < leaves_.size(); ++numbered_)
    if (leaves_[numbered_].tensor) number_of_.emplace(leaves_[numbered_].tensor, numbered_);
  const auto place = number_of_.find(t);
  return place == number_of_.end() ? -1 : static_cast<std::int64_t>(place->second);
}

void Arguments::read_tensor(TensorObject* t) {
  check_current(t, "compile");
  const ThreadState& state = thread_state();
  check_ours(t, "compile", state);
  if (t->requires_grad)
    if (const std::int64_t same = leaf_of(t); same >= 0) return word(kSame, static_cast<std::uint64_t>(same));
  const Contexts followed = followers_of(t, state);
  as_it_is_ = as_it_is_ || t->array.is_abstract() || (t->grad && as_tensor(t->grad)->array.is_abstract());
  differentiated_ = differentiated_ || followed.has_others() || (t->producer && followed) ||
                    (tangents_of(t) && !forward_contexts(state).empty());
  word(kData);
  Leaf leaf{};
  leaf.tensor = t;
  leaf.held = -1;
  if (!t->array.is_abstract() && !t->array.is_contiguous()) {
    leaf.held = static_cast<std::int32_t>(held_.size());
    read_locked(t->array, [&] { held_.push_back(as_contiguous(t->array)); });
  }
  leaves_.push_back(leaf);
  Py_INCREF(t);
}

void Arguments::read_array(const Array& array) {
  word(kData);
  Leaf leaf{};
  leaf.held = static_cast<std::int32_t>(held_.size());
  held_.push_back(as_contiguous(array));
  leaves_.push_back(leaf);
}

bool Arguments::read_number(PyObject* o) {
  const Scalar s = parse_scalar(o, "compile");
  if (s.kind == Scalar::Kind::None) return false;
  if (s.beyond != Scalar::Beyond::No) {  // what becomes of it depends on what stands beside it: no number of a program
    word(kObject);
    constant(o);
    return true;
  }
  Leaf leaf{};
  leaf.held = -1;
  if (s.kind == Scalar::Kind::Bool) {
    word(kBool);
    leaf.number = DType::Bool;
    leaf.boolean = s.real != 0;
  } else if (s.kind == Scalar::Kind::Int) {
    leaf.number = DType::Int64;
    leaf.width = width_of(s.integer);
    leaf.integer = s.integer;
    word(kInt, leaf.width);
  } else {
    word(kReal);
    leaf.number = DType::Float64;
    leaf.real = s.real;
  }
  leaves_.push_back(leaf);
  return true;
}

// Arrays of other packages, whose values are read anew at every call.
bool Arguments::read_array_like(PyObject* o) {
  static PyObject* const names[] = {PyUnicode_InternFromString("__dlpack__"), PyUnicode_InternFromString("__array__")};
  if (!_PyType_Lookup(Py_TYPE(o), names[0]) && !_PyType_Lookup(Py_TYPE(o), names[1])) return false;
  const py::object made = py::module_::import("alice_core.tensors").attr("asarray")(py::handle(o));
  read_array(checked_tensor(made, "compile")->array);
  return true;
}

void Arguments::leaf(PyObject* o) {
  if (is_tensor(o)) return read_tensor(as_tensor(o));
  if (is_numpy_array(o)) return read_array(array_from_numpy(o, false));
  if (!PyBool_Check(o) && read_number(o)) return;
  if (PyBool_Check(o) || PyUnicode_CheckExact(o) || !read_array_like(o)) {  // a bool is a flag: functions ask for it
    static PyObject* hook = PyUnicode_InternFromString("__alice_bind__");
    as_it_is_ = as_it_is_ || _PyType_Lookup(Py_TYPE(o), hook);
    word(kObject);
    constant(o);
  }
}

void Arguments::carry(PyObject* o) {
  carried_.push_back(o);
  Py_INCREF(o);
}

py::object Arguments::reading() const { return keyword_ ? borrowed(keyword_) : py::int_(position_); }

void Arguments::clear() {
  // What goes may run code of users; it finds these arguments empty.
  while (!leaves_.empty()) {
    PyObject* tensor = reinterpret_cast<PyObject*>(leaves_.back().tensor);
    leaves_.pop_back();
    Py_XDECREF(tensor);
  }
  for (std::vector<PyObject*>* owned : {&signature_.objects, &carried_})
    while (!owned->empty()) {
      PyObject* o = owned->back();
      owned->pop_back();
      Py_DECREF(o);
    }
  signature_.words.clear();
  number_of_.clear();
  numbered_ = 0;
  held_.clear();
  position_ = 0;
  keyword_ = nullptr;
  as_it_is_ = differentiated_ = false;
}

std::byte* Arguments::data(std::size_t i) {
  Leaf& leaf = leaves_[i];
  if (leaf.held >= 0) return held_[static_cast<std::size_t>(leaf.held)].bytes();
  return leaf.tensor ? leaf.tensor->array.bytes() : reinterpret_cast<std::byte*>(&leaf.real);
}

py::object Arguments::as_tensor_of(std::size_t i) const {
  const Leaf& leaf = leaves_[i];
  return leaf.tensor ? borrowed(as_object(leaf.tensor))
                     : owned(make_tensor(held_[static_cast<std::size_t>(leaf.held)]));
}

program::Variable Arguments::variable(std::size_t i) const {
  const Leaf& leaf = leaves_[i];
  if (leaf.tensor) return variable_of(leaf.tensor);
  return {leaf.held < 0 ? nullptr : &held_[static_cast<std::size_t>(leaf.held)], nullptr, false};
}

// ---- stand-ins ----------------------------------------------------------------------------------------------

// Puts the arguments together again from the signature: what was read is what is traced, whatever has become of the
// lists and dicts since.
class StandIns final : public NodeMaker {
 public:
  explicit StandIns(const Arguments& from) : from_(from) {}

  py::tuple all() {
    const auto n = static_cast<std::size_t>(next().detail);
    py::list positional;
    for (std::size_t i = 0; i < n; ++i) positional.append(child());
    py::dict named;
    while (word_ < from_.signature_.words.size()) {
      next();
      const py::object name = object();
      named[name] = child();
    }
    return py::make_tuple(py::tuple(positional), named, made_);
  }

  py::object object() override { return borrowed(from_.signature_.objects[object_++]); }
  py::object carried() override { return borrowed(from_.carried_[carried_++]); }
  py::object child() override {
    const Word w = next();
    switch (w.kind) {
      case kData:
      case kBool:
      case kInt:
      case kReal: made_.append(stand_in(made_.size())); return made_[made_.size() - 1];
      case kSame: return made_[static_cast<std::size_t>(w.detail)];
      case kObject: return object();
      default: return make(static_cast<NodeKind>(w.kind), static_cast<std::size_t>(w.detail));
    }
  }

 private:
  struct Word {
    std::uint64_t kind, detail;
  };
  Word next() {
    const std::uint64_t w = from_.signature_.words[word_++];
    return {w & 0xff, w >> 8};
  }

  py::object stand_in(std::size_t i) const {
    const Arguments::Leaf& leaf = from_.leaves_[i];
    if (const program::Variable v = from_.variable(i); v.value) return abstract_variable(program::describe(v));
    return abstract_number(leaf.number, leaf.width);
  }

  const Arguments& from_;
  std::size_t word_ = 0, object_ = 0, carried_ = 0;
  py::list made_;
};

py::tuple Arguments::stand_ins() const { return StandIns(*this).all(); }

}  // namespace alice
