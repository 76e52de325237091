// The one entry to all native work: a table of named kernels. Eager execution, abstract runs and
// compiled programs all go through Kernel::infer (shapes and dtypes) and Kernel::run (the work).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "array.h"

namespace alice {

// Static parameters of a call: axes, flags, slopes, target shapes. Never differentiated.
class Attr {
 public:
  enum class Kind : std::uint8_t { None, Int, Real, Dims };
  Attr() = default;
  Attr(std::int64_t v) : kind_(Kind::Int), int_(v), real_(static_cast<double>(v)) {}
  Attr(double v) : kind_(Kind::Real), real_(v) {}
  Attr(const Dims& v) : kind_(Kind::Dims), dims_(v) {}

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::None; }
  std::int64_t integer() const { return int_; }
  bool flag() const { return int_ != 0; }
  double real() const { return real_; }  // an Int reads as a Real too
  const Dims& dims() const { return dims_; }

 private:
  Kind kind_ = Kind::None;
  std::int64_t int_ = 0;
  double real_ = 0;
  Dims dims_;
};

struct Kernel;

struct Call {
  const Kernel& kernel;
  std::span<const Array> in;
  std::span<Array> out;
  std::span<const Attr> attrs;
};

// How bind() brings the inputs to the dtypes that a kernel takes.
enum class Inputs : std::uint8_t {
  AsIs,      // the kernel checks dtypes itself
  Promote,   // all inputs to their common dtype
  Numeric,   // as Promote, bool becomes int32
  Floating,  // as Promote, integers and bool become float32
  Where,     // first input bool, the rest as Promote
};

struct Kernel {
  const char* name;
  int n_in;   // -1: any number, at least one
  int n_out;  // -1: as many as the caller has room for
  int n_attrs;
  Inputs inputs;
  // Checks shapes, dtypes and attributes, and describes the results: out[i] = Array::abstract(shape, dtype).
  // Where the result is a view it says so here, and run() is not called (it may be null if that is always so):
  // out[i] = Array::view(in[0], …). Throws alice::Error.
  void (*infer)(Call&);
  // Fills out[], which are contiguous, freshly allocated and alias no input. May throw alice::Error for values
  // that cannot be checked without reading them (labels, indices), before it writes anything.
  void (*run[kDeviceCount])(const Call&);
  // Estimated nanoseconds on one thread, to decide whether other Python threads may run meanwhile.
  double (*cost)(const Call&);
  const void* impl = nullptr;  // what infer and run share; the family's own business
};

class Registry {
 public:
  static Registry& instance();
  void add(const Kernel& kernel);  // a second kernel of one name is a programming error and throws
  const Kernel* find(std::string_view name) const;
  const std::vector<const Kernel*>& all() const { return kernels_; }

 private:
  std::vector<const Kernel*> kernels_;
};

// Allocates the outputs and runs: the whole eager call. If any input is abstract, so are the outputs.
void evaluate(Call& call);

// Cost of a kernel that streams its operands: one nanosecond per four elements touched.
double streaming_cost(const Call& call);

}  // namespace alice
