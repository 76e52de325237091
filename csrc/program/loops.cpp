// scan repeats a body a known number of times, while_loop as long as another one says, switch runs one of several, and
// call just one.
// Operands of a body: constants, which all steps share; the carry, which a step gets from the one before; and in a scan
// the step's items of arrays. It gives the next carry, and items that are stacked: a step writes them where they stay.
#include "loops.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "../core/interrupt.h"
#include "body.h"
#include "tape_loop.h"

namespace alice::program {
namespace {

using Pointers = std::vector<std::byte*>;

std::int64_t bytes_of(const Array& layout) {
  return layout.numel() * static_cast<std::int64_t>(itemsize(layout.dtype()));
}

Array contiguous(const Array& a) {
  if (a.is_contiguous()) return a;
  Array copy;
  Call call{Registry::instance().copy(), {&a, 1}, {&copy, 1}, {}};
  evaluate(call);
  return copy;
}

std::vector<Array> all_contiguous(std::span<const Array> arrays) {
  std::vector<Array> made;
  made.reserve(arrays.size());
  for (const Array& a : arrays) made.push_back(contiguous(a));
  return made;
}

bool same_layout(const Array& a, const Array& b) { return a.dtype() == b.dtype() && a.shape() == b.shape(); }

Dims stacked(std::int64_t rows, const Array& item) {
  Dims shape;
  shape.push_back(rows);
  for (std::int64_t d : item.shape()) shape.push_back(d);
  return shape;
}

[[noreturn]] void refuse(const Call& call, const char* what, std::size_t number, const Array& wanted,
                         const Array& got) {
  fail(ErrorKind::Shape, call.kernel.name, ": ", what, " ", number, " must have dtype ", name(wanted.dtype()),
       " and shape ", wanted.shape(), "; got ", name(got.dtype()), " and ", got.shape());
}

// Inputs of the body from number `first` on are those of the call from number `at` on.
void check(const Call& call, const Body& body, std::size_t first, std::size_t at, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (!same_layout(call.in[at + i], body.inputs()[first + i]))
      refuse(call, "input", at + i, body.inputs()[first + i], call.in[at + i]);
}

void check_count(const Call& call, std::size_t wanted, std::size_t got) {
  if (wanted != got) fail(ErrorKind::Value, call.kernel.name, ": the body takes ", wanted, " arrays; got ", got);
}

// Where the operands of a loop's condition and of its body lie now, and where the body writes to.
struct Operands {
  Pointers asked, in, out;
};

// A loop that runs step by step, and where its carry ends.
class Repetition {
 public:
  Repetition(Operands& operands, std::span<const Array> ends) : operands_(operands), ends_(ends) {}
  virtual ~Repetition() = default;
  virtual bool goes_on() = 0;
  virtual void step(bool odd) = 0;  // are the steps that are left odd in number?
  virtual void finish() = 0;

 protected:
  Operands& operands_;
  const std::span<const Array> ends_;
};

// The carry goes back and forth between where it ends and memory of our own.
class InMemory final : public Repetition {
 public:
  InMemory(Operands& operands, const Body* condition, const Body& body, TapeLoop::Counts counts,
           std::span<const Array> ends)
      : Repetition(operands, ends), counts_(counts), run_(body.program()) {
    if (condition) ask_.emplace(condition->program());
    for (const Array& end : ends_) spare_.push_back(Array::empty(end.shape(), end.dtype()));
  }
  bool goes_on() override {
    alignas(64) std::byte answer[64];
    std::byte* answers[] = {answer};
    for (std::size_t k = 0; k < counts_.carry; ++k) operands_.asked[counts_.asked + k] = carried(k);
    (*ask_)(operands_.asked.data(), answers);
    return answer[0] != std::byte{0};
  }
  // The last step ends where it should.
  void step(bool odd) override {
    for (std::size_t k = 0; k < counts_.carry; ++k) operands_.out[k] = (odd ? ends_[k] : spare_[k]).bytes();
    run_(operands_.in.data(), operands_.out.data());
    for (std::size_t k = 0; k < counts_.carry; ++k) carried(k) = operands_.out[k];
  }
  void finish() override {
    for (std::size_t k = 0; k < counts_.carry; ++k)
      if (carried(k) != ends_[k].bytes() && ends_[k].numel() > 0)
        std::memcpy(ends_[k].bytes(), carried(k), static_cast<std::size_t>(bytes_of(ends_[k])));
  }

 private:
  std::byte*& carried(std::size_t k) { return operands_.in[counts_.consts + k]; }

  const TapeLoop::Counts counts_;
  CpuExecutor::Repeated run_;
  std::optional<CpuExecutor::Repeated> ask_;
  std::vector<Array> spare_;
};

class InRegisters final : public Repetition {
 public:
  InRegisters(Operands& operands, const TapeLoop& loop, std::span<const Array> ends)
      : Repetition(operands, ends), run_(loop, operands.asked.data(), operands.in.data()) {}
  bool goes_on() override { return run_.goes_on(); }
  void step(bool) override { run_.step(operands_.in.data(), operands_.out.data()); }
  void finish() override {
    for (std::size_t k = 0; k < ends_.size(); ++k) operands_.out[k] = ends_[k].bytes();
    run_.finish(operands_.out.data());
  }

 private:
  TapeLoop::Run run_;
};

// A kernel's loop as it runs, and the tapes that it has, if they pay.
class PreparedLoop : public Prepared {
 protected:
  PreparedLoop(const Body* condition, const Body& body, TapeLoop::Counts counts)
      : condition_(condition), body_(body), counts_(counts) {
    if ((!condition || condition->is_complete()) && body.is_complete())
      in_registers_ = TapeLoop::of(condition ? &condition->program() : nullptr, body.program(), counts);
  }
  std::unique_ptr<Repetition> begin(Operands& operands, std::span<const Array> ends) const {
    if (in_registers_) return std::make_unique<InRegisters>(operands, *in_registers_, ends);
    return std::make_unique<InMemory>(operands, condition_, body_, counts_, ends);
  }

 private:
  const Body *condition_, &body_;
  const TapeLoop::Counts counts_;
  std::unique_ptr<const TapeLoop> in_registers_;
};

template <class Loop>
void run_prepared(const Call& call) {
  Loop(call).run(call);
}

template <class Loop>
std::unique_ptr<Prepared> prepare(const Call& call) {
  return std::make_unique<Loop>(call);
}

// As many as the first body gives.
int results_of_body(std::span<const Attr> attrs) { return static_cast<int>(attrs[0].bodies().at(0)->outputs().size()); }

// ---- scan -----------------------------------------------------------------------------------------------------------

// Attributes: body; numbers of constants and of carried arrays; length; backwards?; does the first operand say how many
// of the `length` steps are taken? Those that are not leave zeros.
struct Scan {
  explicit Scan(const Call& call)
      : body(*call.attrs[0].bodies().at(0)),
        n_consts(static_cast<std::size_t>(call.attrs[1].dims()[0])),
        n_carry(static_cast<std::size_t>(call.attrs[1].dims()[1])),
        length(call.attrs[2].integer()),
        reverse(call.attrs[3].flag()),
        counted(call.attrs[4].flag()) {}

  std::size_t first_x() const { return n_consts + n_carry; }

  const Body& body;
  std::size_t n_consts, n_carry;
  std::int64_t length;
  bool reverse, counted;
};

void infer_scan(Call& call) {
  const Dims& counts = call.attrs[1].dims();
  if (counts.size() != 2 || counts[0] < 0 || counts[1] < 0 || call.attrs[2].integer() < 0)
    fail(ErrorKind::Value,
         "scan: expected numbers of constants and carried arrays, and a length, that are not negative");
  const Scan scan(call);
  const std::size_t skip = scan.counted, n = scan.body.inputs().size();
  check_count(call, n, call.in.size() - skip);
  if (scan.first_x() > n || scan.n_carry > scan.body.outputs().size())
    fail(ErrorKind::Value, "scan: the body takes and gives fewer arrays than are carried");
  if (scan.counted && !same_layout(call.in[0], Array::abstract({}, DType::Int64)))
    refuse(call, "input", 0, Array::abstract({}, DType::Int64), call.in[0]);
  check(call, scan.body, 0, skip, scan.first_x());
  for (std::size_t i = scan.first_x(); i < n; ++i) {
    const Array wanted = Array::abstract(stacked(scan.length, scan.body.inputs()[i]), scan.body.inputs()[i].dtype());
    if (!same_layout(call.in[skip + i], wanted)) refuse(call, "input", skip + i, wanted, call.in[skip + i]);
  }
  for (std::size_t k = 0; k < call.out.size(); ++k) {
    const Array& given = scan.body.outputs()[k];
    const bool carried = k < scan.n_carry;
    if (carried && !same_layout(given, scan.body.inputs()[scan.n_consts + k]))
      refuse(call, "carry", k, scan.body.inputs()[scan.n_consts + k], given);
    call.out[k] = Array::abstract(carried ? given.shape() : stacked(scan.length, given), given.dtype());
  }
}

class PreparedScan final : public PreparedLoop {
 public:
  explicit PreparedScan(const Call& call) : PreparedScan(Scan(call)) {}

  void run(const Call& call) const override {
    const std::vector<Array> in = all_contiguous(call.in.subspan(scan_.counted));
    const std::int64_t n = scan_.counted ? *call.in[0].data<std::int64_t>() : scan_.length;
    if (n < 0 || n > scan_.length)
      fail(ErrorKind::Value, "scan: the number of steps must be from 0 to ", scan_.length, "; got ", n);
    Operands operands{{}, Pointers(in.size()), Pointers(call.out.size())};
    for (std::size_t i = 0; i < in.size(); ++i) operands.in[i] = in[i].bytes();
    std::vector<std::int64_t> in_strides(in.size(), 0), out_strides(call.out.size(), 0);
    for (std::size_t i = scan_.first_x(); i < in.size(); ++i) in_strides[i] = bytes_of(scan_.body.inputs()[i]);
    for (std::size_t k = scan_.n_carry; k < call.out.size(); ++k) out_strides[k] = bytes_of(scan_.body.outputs()[k]);

    const std::unique_ptr<Repetition> loop = begin(operands, call.out.first(scan_.n_carry));
    Patience patience(scan_.body.cost());
    for (std::int64_t t = 0; t < n; ++t) {
      patience.step();
      const std::int64_t row = scan_.reverse ? n - 1 - t : t;
      for (std::size_t i = scan_.first_x(); i < in.size(); ++i) operands.in[i] = in[i].bytes() + row * in_strides[i];
      for (std::size_t k = scan_.n_carry; k < call.out.size(); ++k)
        operands.out[k] = call.out[k].bytes() + row * out_strides[k];
      loop->step((n - t) % 2 != 0);
    }
    loop->finish();
    for (std::size_t k = scan_.n_carry; k < call.out.size(); ++k)
      if (const std::int64_t rest = (scan_.length - n) * out_strides[k]; rest > 0)
        std::memset(call.out[k].bytes() + n * out_strides[k], 0, static_cast<std::size_t>(rest));
  }

 private:
  explicit PreparedScan(const Scan& scan)
      : PreparedLoop(nullptr, scan.body, {0, scan.n_consts, scan.n_carry}), scan_(scan) {}

  const Scan scan_;
};

double cost_of_scan(const Call& call) {
  const Scan scan(call);
  return static_cast<double>(scan.length) * (scan.body.cost() + 50);
}

double flops_of_scan(const Call& call) {
  const Scan scan(call);
  return static_cast<double>(scan.length) * scan.body.flops();
}

// ---- while_loop -----------------------------------------------------------------------------------------------------

// Attributes: condition and body; numbers of their constants; at most so many steps, or None. Gives the carry, what
// the steps stack (with a limit only), and the number of steps.
struct While {
  explicit While(const Call& call)
      : condition(*call.attrs[0].bodies().at(0)),
        body(*call.attrs[0].bodies().at(1)),
        n_asked(static_cast<std::size_t>(call.attrs[1].dims()[0])),
        n_consts(static_cast<std::size_t>(call.attrs[1].dims()[1])),
        n_carry(condition.inputs().size() - n_asked),
        limited(!call.attrs[2].is_none()),
        limit(limited ? call.attrs[2].integer() : 0) {}

  const Body &condition, &body;
  std::size_t n_asked, n_consts, n_carry;
  bool limited;
  std::int64_t limit;
};

int results_of_while(std::span<const Attr> attrs) {
  return static_cast<int>(attrs[0].bodies().at(1)->outputs().size()) + 1;
}

void infer_while(Call& call) {
  const Dims& counts = call.attrs[1].dims();
  if (call.attrs[0].bodies().size() != 2 || counts.size() != 2 || counts[0] < 0 || counts[1] < 0 ||
      static_cast<std::size_t>(counts[0]) > call.attrs[0].bodies()[0]->inputs().size())
    fail(ErrorKind::Value, "while_loop: expected a condition, a body, and the numbers of their constants");
  const While loop(call);
  if (loop.limited && loop.limit < 0) fail(ErrorKind::Value, "while_loop: max_steps must not be negative");
  check_count(call, loop.n_consts + loop.n_carry, loop.body.inputs().size());
  check_count(call, loop.n_asked + loop.body.inputs().size(), call.in.size());
  if (loop.n_carry > loop.body.outputs().size() || (!loop.limited && loop.n_carry != loop.body.outputs().size()))
    fail(ErrorKind::Value, "while_loop: the body must give what is carried");
  const Array flag = Array::abstract({}, DType::Bool);
  if (loop.condition.outputs().size() != 1 || !same_layout(loop.condition.outputs()[0], flag))
    fail(ErrorKind::DType, "while_loop: the condition must give one bool");
  check(call, loop.condition, 0, 0, loop.n_asked);
  check(call, loop.body, 0, loop.n_asked, loop.n_consts + loop.n_carry);
  for (std::size_t k = 0; k < loop.n_carry; ++k) {
    const Array& carried = loop.body.inputs()[loop.n_consts + k];
    for (const Array& other : {loop.body.outputs()[k], loop.condition.inputs()[loop.n_asked + k]})
      if (!same_layout(other, carried)) refuse(call, "carry", k, carried, other);
  }
  for (std::size_t k = 0; k + 1 < call.out.size(); ++k) {
    const Array& given = loop.body.outputs()[k];
    call.out[k] = Array::abstract(k < loop.n_carry ? given.shape() : stacked(loop.limit, given), given.dtype());
  }
  call.out.back() = Array::abstract({}, DType::Int64);
}

class PreparedWhile final : public PreparedLoop {
 public:
  explicit PreparedWhile(const Call& call) : PreparedWhile(While(call)) {}

  void run(const Call& call) const override {
    const std::size_t n_stacked = call.out.size() - 1 - while_.n_carry;
    const std::vector<Array> in = all_contiguous(call.in);
    const std::span<const Array> stacked = call.out.subspan(while_.n_carry, n_stacked);
    Operands operands{Pointers(while_.condition.inputs().size()), Pointers(while_.body.inputs().size()),
                      Pointers(while_.body.outputs().size())};
    for (std::size_t i = 0; i < while_.n_asked; ++i) operands.asked[i] = in[i].bytes();
    for (std::size_t i = while_.n_asked; i < in.size(); ++i) operands.in[i - while_.n_asked] = in[i].bytes();
    std::vector<std::int64_t> rows;
    for (std::size_t k = 0; k < n_stacked; ++k) rows.push_back(bytes_of(while_.body.outputs()[while_.n_carry + k]));

    const std::unique_ptr<Repetition> loop = begin(operands, call.out.first(while_.n_carry));
    std::int64_t n = 0;
    Patience patience(while_.condition.cost() + while_.body.cost());
    for (; loop->goes_on(); ++n) {
      patience.step();
      if (while_.limited && n == while_.limit)
        fail(ErrorKind::Value, "while_loop: the condition is still true after max_steps=", while_.limit,
             " steps; raise max_steps, or let the condition count");
      for (std::size_t k = 0; k < n_stacked; ++k) operands.out[while_.n_carry + k] = stacked[k].bytes() + n * rows[k];
      loop->step(n % 2 == 0);
    }
    loop->finish();
    for (std::size_t k = 0; k < n_stacked; ++k)
      if (const std::int64_t rest = (while_.limit - n) * rows[k]; rest > 0)
        std::memset(stacked[k].bytes() + n * rows[k], 0, static_cast<std::size_t>(rest));
    *call.out.back().data<std::int64_t>() = n;
  }

 private:
  explicit PreparedWhile(const While& loop)
      : PreparedLoop(&loop.condition, loop.body, {loop.n_asked, loop.n_consts, loop.n_carry}), while_(loop) {}

  const While while_;
};

// Nobody knows how long it takes.
double cost_of_while(const Call&) { return 1e6; }

// ---- switch ---------------------------------------------------------------------------------------------------------

void infer_switch(Call& call) {
  const Bodies& branches = call.attrs[0].bodies();
  if (!same_layout(call.in[0], Array::abstract({}, DType::Int64)))
    refuse(call, "input", 0, Array::abstract({}, DType::Int64), call.in[0]);
  for (const auto& branch : branches) {
    check_count(call, branch->inputs().size(), call.in.size() - 1);
    check(call, *branch, 0, 1, branch->inputs().size());
    check_count(call, branches[0]->outputs().size(), branch->outputs().size());
    for (std::size_t k = 0; k < branch->outputs().size(); ++k)
      if (!same_layout(branch->outputs()[k], branches[0]->outputs()[k]))
        refuse(call, "result", k, branches[0]->outputs()[k], branch->outputs()[k]);
  }
  for (std::size_t k = 0; k < call.out.size(); ++k) call.out[k] = branches[0]->outputs()[k];
}

void run_body(const Body& body, std::span<const Array> operands, std::span<const Array> results) {
  const std::vector<Array> in = all_contiguous(operands);
  Pointers from, to;
  for (const Array& a : in) from.push_back(a.bytes());
  for (const Array& a : results) to.push_back(a.bytes());
  std::size_t reached = 0;
  body.program().run(from.data(), to.data(), false, &reached);
}

void run_switch(const Call& call) {
  const Bodies& branches = call.attrs[0].bodies();
  const std::int64_t index = *call.in[0].data<std::int64_t>(), n = static_cast<std::int64_t>(branches.size());
  if (index < 0 || index >= n) fail(ErrorKind::Value, "switch: index must be from 0 to ", n - 1, "; got ", index);
  run_body(*branches[static_cast<std::size_t>(index)], call.in.subspan(1), call.out);
}

double cost_of_switch(const Call& call) {
  double most = 0;
  for (const auto& branch : call.attrs[0].bodies()) most = std::max(most, branch->cost());
  return most;
}

double flops_of_switch(const Call& call) {
  double most = 0;
  for (const auto& branch : call.attrs[0].bodies()) most = std::max(most, branch->flops());
  return most;
}

double flops_of_while(const Call& call) {  // of one step
  const While loop(call);
  return loop.condition.flops() + loop.body.flops();
}

// ---- call -----------------------------------------------------------------------------------------------------------

void infer_call(Call& call) {
  const Body& body = *call.attrs[0].bodies().at(0);
  check_count(call, body.inputs().size(), call.in.size());
  check(call, body, 0, 0, body.inputs().size());
  for (std::size_t k = 0; k < call.out.size(); ++k) call.out[k] = body.outputs()[k];
}

void run_call(const Call& call) { run_body(*call.attrs[0].bodies().at(0), call.in, call.out); }

}  // namespace

void Body::complete(std::shared_ptr<const CpuExecutor> program) {
  program_ = std::move(program);
  const auto exchanges = [](const Node& n) { return exchange_of(*n.kernel, n.attrs) != Exchange::None; };
  exchanges_ = std::ranges::any_of(program_->plan().graph().nodes(), exchanges);
}

const CpuExecutor& Body::program() const {
  if (!program_) fail(ErrorKind::Trace, "loop: its body was traced only, and cannot run");
  return *program_;
}

double Body::flops() const {
  double sum = 0;
  if (program_)
    for (const Instruction& i : program_->plan().instructions()) sum += i.flops;
  return sum;
}

Exchange exchange_of(const Kernel& kernel, std::span<const Attr> attrs) {
  for (const Attr& a : attrs)
    if (a.is(AttrKind::Bodies) && std::ranges::any_of(a.bodies(), [](const auto& b) { return b->exchanges(); }))
      return Exchange::Meets;
  return kernel.exchange;
}

void register_loops(Registry& r) {
  r.add({.name = "scan",
         .n_in = -1,
         .n_out = -1,
         .results = results_of_body,
         .attributes = {{"body", AttrKind::Bodies},
                        {"counts", AttrKind::Dims},
                        {"length", AttrKind::Integer},
                        {"reverse", AttrKind::Flag},
                        {"counted", AttrKind::Flag}},
         .infer = infer_scan,
         .run = {run_prepared<PreparedScan>},
         .cost = cost_of_scan,
         .prepare = prepare<PreparedScan>,
         .flops = flops_of_scan,
         .any_dtype = true});
  r.add({.name = "while_loop",
         .n_in = -1,
         .n_out = -1,
         .results = results_of_while,
         .attributes = {{"bodies", AttrKind::Bodies},
                        {"counts", AttrKind::Dims},
                        {"max_steps", AttrKind::Integer | AttrKind::None}},
         .infer = infer_while,
         .run = {run_prepared<PreparedWhile>},
         .cost = cost_of_while,
         .prepare = prepare<PreparedWhile>,
         .flops = flops_of_while,
         .any_dtype = true});
  r.add({.name = "switch",
         .n_in = -1,
         .n_out = -1,
         .results = results_of_body,
         .attributes = {{"branches", AttrKind::Bodies}},
         .infer = infer_switch,
         .run = {run_switch},
         .cost = cost_of_switch,
         .flops = flops_of_switch,
         .any_dtype = true});
  r.add({.name = "call",
         .n_in = -1,
         .n_out = -1,
         .results = results_of_body,
         .attributes = {{"body", AttrKind::Bodies}},
         .infer = infer_call,
         .run = {run_call},
         .cost = cost_of_switch,
         .flops = flops_of_switch,
         .any_dtype = true});
}

}  // namespace alice::program
