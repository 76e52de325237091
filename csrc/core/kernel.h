// The one entry to all native work: a table of named kernels. Eager execution, abstract runs and
// compiled programs all go through Kernel::infer (shapes and dtypes) and Kernel::run (the work).
#pragma once

#include <cstdint>
#include <memory>
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

  bool operator==(const Attr& other) const = default;
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

// n elements of every operand in, n results out, all contiguous. An operand may be the result itself.
using Loop = void (*)(std::int64_t n, void* out, const void* const* in, const double* params);

// Two loops as one, where the second reads the first's result as its operand number `operand`. Its operands are those
// of the first, then the second's other one; its results have the bits of the two.
struct LoopPair {
  Loop first, second;
  int operand;
  Loop both;
};

// A call that is nothing but one loop over broadcast operands, so that it can be run tile by tile among others.
struct Elementwise {
  Loop loop = nullptr;  // null: this call is something else
  double params[2] = {};
  double cost = 0;  // nanoseconds per element
};

// Who waits for parts of a result, to work on them while they are in cache. The result is seen as a matrix whose
// columns are its last axis. Called on the thread that finished the part; parts are disjoint and cover the result.
struct Epilogue {
  void (*done)(void* context, std::int64_t row0, std::int64_t row1, std::int64_t column0, std::int64_t column1);
  void* context;
};

// Stands for an input that is not in memory: writes its elements [begin, begin + n), in row-major order, to `to`.
// May be called by several threads at once.
struct Feed {
  void (*fill)(void* context, std::int64_t begin, std::int64_t n, void* to);
  void* context;
};

// A call whose shapes, strides, dtypes and attributes stay as they are while its data moves: what can be decided
// before the data is there has been decided. Gives the bits of Kernel::run. Threads may share one.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual void run(const Call& call) const = 0;
  virtual bool takes_epilogue() const { return false; }  // then run_then() is there
  virtual void run_then(const Call&, const Epilogue&) const {}
  virtual bool takes_feed() const { return false; }  // for input 0, if it is contiguous; then run_fed() is there
  virtual void run_fed(const Call&, const Feed&) const {}
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
  // What compiled programs ask for; null where a kernel has nothing better to offer than run(). The arrays of these
  // calls have their final shapes, strides and dtypes; constants have their data, the other inputs may have none.
  Elementwise (*elementwise)(const Call&) = nullptr;
  std::unique_ptr<Prepared> (*prepare)(const Call&) = nullptr;
};

// Two kernels as one, with the bits of the two. The second has the first's attributes and reads something else, then
// all that the first read, then some of its results. `both` reads the first's inputs, then what else the second reads,
// and leaves the first's results, then the second's.
struct KernelPair {
  std::string_view first, second, both;
};

class Registry {
 public:
  static Registry& instance();
  void add(const Kernel& kernel);  // a second kernel of one name is a programming error and throws
  const Kernel* find(std::string_view name) const;
  const std::vector<const Kernel*>& all() const { return kernels_; }

  void add(const LoopPair& pair) { loop_pairs_.push_back(pair); }
  Loop both(Loop first, Loop second, int operand) const;  // null if there is no such loop
  void add(const KernelPair& pair) { kernel_pairs_.push_back(pair); }
  const Kernel* both(const Kernel& first, const Kernel& second) const;  // null if there is no such kernel

 private:
  std::vector<LoopPair> loop_pairs_;
  std::vector<KernelPair> kernel_pairs_;
  std::vector<const Kernel*> kernels_;
};

// Allocates the outputs and runs: the whole eager call. If any input is abstract, so are the outputs.
void evaluate(Call& call);

// What a call does, for people to read: an estimate.
struct Work {
  double flops = 0;  // operations on numbers
  double bytes = 0;  // of operands and results
};
Work work_of(const Call& call);

// Cost of a kernel that streams its operands: one nanosecond per four elements touched.
double streaming_cost(const Call& call);

}  // namespace alice
