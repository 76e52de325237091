// The one entry to all native work: a table of named kernels. Eager execution, abstract runs and
// compiled programs all go through Kernel::infer (shapes and dtypes) and Kernel::run (the work).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "array.h"
#include "conversion.h"

namespace alice {

// What an attribute may be: of a value one of these, of a declaration any set of them.
enum class AttrKind : std::uint8_t { None = 1, Integer = 2, Real = 4, Flag = 8, Dims = 16, DType = 32, Bodies = 64 };
constexpr AttrKind operator|(AttrKind a, AttrKind b) {
  return static_cast<AttrKind>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr bool has(AttrKind set, AttrKind kind) {
  return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(kind)) != 0;
}
std::string describe(AttrKind set);  // for messages: "an int, a tuple of ints or None"

inline constexpr AttrKind kAxes = AttrKind::Integer | AttrKind::Dims;
inline constexpr AttrKind kOptionalAxes = kAxes | AttrKind::None;

namespace program {
class Body;
}
// Traced functions that a kernel runs: what a loop repeats, what a choice chooses from.
using Bodies = std::vector<std::shared_ptr<const program::Body>>;

// Static parameters of a call: axes, flags, slopes, target shapes. Never differentiated. What is read as something that
// it is not throws.
class Attr {
 public:
  Attr() = default;
  explicit Attr(std::int64_t v) : kind_(AttrKind::Integer), int_(v) {}
  explicit Attr(double v) : kind_(AttrKind::Real), real_(v) {}
  explicit Attr(bool v) : kind_(AttrKind::Flag), int_(v) {}
  explicit Attr(DType v) : kind_(AttrKind::DType), int_(static_cast<std::int64_t>(v)) {}
  explicit Attr(const Dims& v) : kind_(AttrKind::Dims), dims_(v) {}
  explicit Attr(std::shared_ptr<const Bodies> v) : kind_(AttrKind::Bodies), bodies_(std::move(v)) {}

  bool operator==(const Attr& other) const = default;
  AttrKind kind() const { return kind_; }
  bool is(AttrKind kind) const { return kind_ == kind; }
  bool is_none() const { return is(AttrKind::None); }
  std::int64_t integer() const { return expect(AttrKind::Integer).int_; }
  bool flag() const { return expect(AttrKind::Flag).int_ != 0; }
  alice::DType dtype() const { return static_cast<alice::DType>(expect(AttrKind::DType).int_); }
  double real() const {  // of an integer too
    return is(AttrKind::Integer) ? static_cast<double>(int_) : expect(AttrKind::Real).real_;
  }
  const Dims& dims() const { return expect(AttrKind::Dims).dims_; }
  const Bodies& bodies() const { return *expect(AttrKind::Bodies).bodies_; }

  friend std::ostream& operator<<(std::ostream& os, const Attr& a);  // as Python writes it

 private:
  const Attr& expect(AttrKind kind) const {
    if (kind_ != kind) refuse(kind);
    return *this;
  }
  [[noreturn]] void refuse(AttrKind kind) const;

  AttrKind kind_ = AttrKind::None;
  std::int64_t int_ = 0;
  double real_ = 0;
  Dims dims_;
  std::shared_ptr<const Bodies> bodies_;
};

// How a kernel declares an attribute. Integers are taken for reals, nothing else for what it is not.
struct AttrSpec {
  const char* name;
  AttrKind kinds;
  bool takes(AttrKind kind) const {
    return has(kinds, kind) || (kind == AttrKind::Integer && has(kinds, AttrKind::Real));
  }
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
  Compare,   // as Promote, but a Python integer that their dtype does not hold widens it
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
  // What is kept in a dtype for storage alone passes through that of its arithmetic on its way into the loop and out.
  std::uint8_t n_in = 0, out_item = 0, items[4] = {};  // bytes of the elements
  Convert widened[4] = {}, narrowed = nullptr;         // null for what is as the loop wants it

  void convert(const Call& call);  // as the operands and the result of this call need it
  bool converts() const { return n_in != 0; }
  void run(std::int64_t n, void* out, const void* const* in) const {
    if (!converts())
      loop(n, out, in, params);
    else
      run_converted(n, out, in);
  }

 private:
  void run_converted(std::int64_t n, void* out, const void* const* in) const;
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

class Expansion;

// Kernels that scale their first operand, of which 0 stays 0: by the factor that their second one is (one kernel does),
// or by a slope at their second one, which is what they give for a first one of 1. The bits of both are the same.
enum class Scaling : std::uint8_t { None, ByFactor, BySlope };

// Kernels that other processes wait for are run as often as they were called, and in that order: their results are new
// each time. Those that only begin an exchange may run earlier.
enum class Exchange : std::uint8_t { None, Meets, Begins };

// Operations of the processor: of a scalar program, steps of its interpreter. Elementwise kernels may be one. Of the
// strong ones a first operand of 0 gives 0. MultiplyAdd is a step of a sum of products: a b + c as matmul rounds it.
// Of a sum that carries its rounding errors along (reduce_loops.h), SumError is what a + b loses, and SumTotal brings
// the sum and its errors together. SqrtVjp scales a by the slope of the square root at b.
enum class Arithmetic : std::uint8_t {
  None,
  Add,
  Subtract,
  Multiply,
  Divide,
  StrongMultiply,
  StrongDivide,
  Negative,
  Square,
  Sqrt,
  MultiplyAdd,
  SumError,
  SumTotal,
  SqrtVjp,
  // These take bools or give them. Only programs of single numbers have steps of them.
  Where,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  LogicalAnd,
  LogicalOr,
  LogicalNot,
};

struct Kernel {
  const char* name;
  int n_in;       // -1: any number, at least one
  int n_out = 1;  // -1: as many as the caller has room for, or as results() says
  int (*results)(std::span<const Attr>) = nullptr;
  std::vector<AttrSpec> attributes = {};
  Inputs inputs = Inputs::AsIs;
  // Checks shapes and dtypes, and describes the results: out[i] = Array::abstract(shape, dtype). Numbers of operands,
  // kinds of attributes and sizes of results are checked around it, see infer().
  // Where the result is a view it says so here, and run() is not called (it may be null if that is always so):
  // out[i] = Array::view(in[0], …). Throws alice::Error.
  void (*infer)(Call&) = nullptr;
  // Fills out[], which are contiguous, freshly allocated and alias no input. May throw alice::Error for values
  // that cannot be checked without reading them (labels, indices), before it writes anything.
  void (*run[kDeviceCount])(const Call&) = {};
  // Estimated nanoseconds on one thread, to decide whether other Python threads may run meanwhile. Of a call whose
  // results are described.
  double (*cost)(const Call&) = nullptr;
  const void* impl = nullptr;  // what infer and run share; the family's own business
  // What compiled programs ask for; null where a kernel has nothing better to offer than run(). The arrays of these
  // calls have their final shapes, strides and dtypes; constants have their data, the other inputs may have none.
  Elementwise (*elementwise)(const Call&) = nullptr;
  std::unique_ptr<Prepared> (*prepare)(const Call&) = nullptr;
  std::unique_ptr<Expansion> (*expand)(const Call&) = nullptr;  // expansion.h; may give null

  // What others want to know about the function, so that nobody asks for its name.
  double (*flops)(const Call&) = nullptr;  // operations on numbers; null: one for each element of the largest array
  std::optional<double> neutral = {};      // of two operands, one of this value leaves the other as it is, bit for bit
  Scaling scaling = Scaling::None;
  Arithmetic arithmetic = Arithmetic::None;
  bool moves = false;  // gives elements of its operands, of any dtype, in other places, and zeros
  // Of one that puts together: how many bytes behind its only result's beginning an operand ends in one piece, or -1. A
  // program may have the operand computed there; run() leaves it where it finds it.
  std::int64_t (*piece)(const Call&, std::size_t operand) = nullptr;
  bool copies = false;  // the one that gives an operand memory of its own
  // The result that may lie in the first operand's memory, where a program lets it because nobody needs the operand any
  // more and no other operand lies in it. The first result is a changed copy of the operand, and finds that there.
  int overwriting = -1;
  Exchange exchange = Exchange::None;
  // Takes dtypes for storage alone, too. Of other kernels the operands are widened, and results of the dtype that one
  // was widened to take up its dtype: the operand that `like` says, -1 for none; null for the first such one.
  bool any_dtype = false;
  int (*like)(const Call&, int result) = nullptr;
  bool infers_any_dtype = false;  // run() alone is for dtypes that are computed in
  bool orders = false;            // depends on which of two numbers is larger: uint64 comes as int64 in the same order
  int indices = -1;               // operands from this number on are indices, and come as they are
  bool renames = false;  // hands its operand on, but what follows shall not be found equal to what followed before

  int n_attrs() const { return static_cast<int>(attributes.size()); }
  bool has_results() const { return n_out >= 0 || results; }  // rather than what it is told to write over
  std::size_t n_results(std::span<const Attr> attrs) const {
    return static_cast<std::size_t>(results ? results(attrs) : n_out);
  }
};

// Two kernels as one, with the bits of the two. The second has the first's attributes and reads something else, then
// all that the first read, then some of its results. `both` reads the first's inputs, then what else the second reads,
// and leaves the first's results, then the second's.
struct KernelPair {
  const Kernel *first, *second, *both;
};

// A kernel that gives its operand at some place among zeros, and the one that adds it there to another array, which has
// no -0 elsewhere: with the first's attributes, that array and the operand. `apart` says of two calls' attributes
// whether no place is both's; false where it does not know.
struct PlacedSum {
  const Kernel *place, *add;
  bool (*apart)(std::span<const Attr>, std::span<const Attr>);
};

class Registry {
 public:
  static Registry& instance();
  const Kernel& add(const Kernel& kernel);  // a second kernel of one name is a programming error and throws
  const Kernel* find(std::string_view name) const;
  const std::vector<const Kernel*>& all() const { return kernels_; }
  const Kernel& copy() const { return *copy_; }    // the one that copies
  const Kernel& scale() const { return *scale_; }  // the one that scales by a factor

  void add(const LoopPair& pair) { loop_pairs_.push_back(pair); }
  Loop both(Loop first, Loop second, int operand) const;  // null if there is no such loop
  void add(const KernelPair& pair) { kernel_pairs_.push_back(pair); }
  const Kernel* both(const Kernel& first, const Kernel& second) const;  // null if there is no such kernel
  void add(const PlacedSum& sum) { placed_sums_.push_back(sum); }
  const PlacedSum* placed_sum(const Kernel& either) const;  // null if the kernel is of none

 private:
  std::vector<LoopPair> loop_pairs_;
  std::vector<KernelPair> kernel_pairs_;
  std::vector<PlacedSum> placed_sums_;
  std::vector<const Kernel*> kernels_;
  const Kernel *copy_ = nullptr, *scale_ = nullptr;
};

// Describes the results of a call: the one way to a kernel's shape rule. Checks what every kernel leaves to it: the
// numbers of operands and results, the kinds of the attributes, and that the results can be addressed.
void infer(Call& call);
// Kernel::run and Kernel::prepare, for operands of every dtype.
void run_kernel(const Call& call);
std::unique_ptr<Prepared> prepare_kernel(const Call& call);  // null if the kernel prepares nothing
// After infer(), if there is work (results are no views, no input is abstract): allocates the results and runs.
bool has_work(const Call& call);
void compute(Call& call);
// The whole eager call. If any input is abstract, so are the outputs.
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
