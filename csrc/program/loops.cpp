// scan repeats a body a known number of times, while_loop as long as another one says, switch runs one of several, and
// call just one.
// Operands of a body: constants, which all steps share; the carry, which a step gets from the one before; and in a scan
// the step's items of arrays. It gives the next carry, and items that are stacked: a step writes them where they stay.
#include "loops.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../core/interrupt.h"
#include "body.h"

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

// A body that runs step by step: where its operands lie now, and where it writes to.
struct Steps {
  Steps(const Body& body, std::size_t n_consts, std::size_t n_carry)
      : run(body.program()), in(body.inputs().size()), out(body.outputs().size()), first(n_consts), n(n_carry) {}

  // The carry starts in `from` and goes back and forth between `to` and memory of our own.
  void start(std::span<const Array> from, std::span<const Array> to) {
    for (std::size_t k = 0; k < n; ++k) {
      in[first + k] = from[k].bytes();
      ends.push_back(to[k].bytes());
      spare.push_back(Array::empty(to[k].shape(), to[k].dtype()));
    }
  }
  // One step; the last one of an odd number of steps that are left ends where it should.
  void step(bool into_ends) {
    for (std::size_t k = 0; k < n; ++k) out[k] = into_ends ? ends[k] : spare[k].bytes();
    run(in.data(), out.data());
    for (std::size_t k = 0; k < n; ++k) in[first + k] = out[k];
  }
  // The carry is in memory of its own from now on.
  void finish(std::span<const Array> to) const {
    for (std::size_t k = 0; k < n; ++k)
      if (in[first + k] != to[k].bytes() && to[k].numel() > 0)
        std::memcpy(to[k].bytes(), in[first + k], static_cast<std::size_t>(bytes_of(to[k])));
  }

  CpuExecutor::Repeated run;
  Pointers in, out, ends;
  std::vector<Array> spare;
  std::size_t first, n;
};

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

void run_scan(const Call& call) {
  const Scan scan(call);
  const std::size_t skip = scan.counted;
  const std::vector<Array> in = all_contiguous(call.in.subspan(skip));
  const std::int64_t n = scan.counted ? *call.in[0].data<std::int64_t>() : scan.length;
  if (n < 0 || n > scan.length)
    fail(ErrorKind::Value, "scan: the number of steps must be from 0 to ", scan.length, "; got ", n);

  Steps steps(scan.body, scan.n_consts, scan.n_carry);
  for (std::size_t i = 0; i < in.size(); ++i) steps.in[i] = in[i].bytes();
  steps.start(std::span(in).subspan(scan.n_consts, scan.n_carry), call.out);
  std::vector<std::int64_t> in_strides(in.size(), 0), out_strides(call.out.size(), 0);
  for (std::size_t i = scan.first_x(); i < in.size(); ++i) in_strides[i] = bytes_of(scan.body.inputs()[i]);
  for (std::size_t k = scan.n_carry; k < call.out.size(); ++k) out_strides[k] = bytes_of(scan.body.outputs()[k]);

  Patience patience(scan.body.cost());
  for (std::int64_t t = 0; t < n; ++t) {
    patience.step();
    const std::int64_t row = scan.reverse ? n - 1 - t : t;
    for (std::size_t i = scan.first_x(); i < in.size(); ++i) steps.in[i] = in[i].bytes() + row * in_strides[i];
    for (std::size_t k = scan.n_carry; k < call.out.size(); ++k)
      steps.out[k] = call.out[k].bytes() + row * out_strides[k];
    steps.step((n - t) % 2 != 0);
  }
  steps.finish(call.out.first(scan.n_carry));
  for (std::size_t k = scan.n_carry; k < call.out.size(); ++k)
    if (const std::int64_t rest = (scan.length - n) * out_strides[k]; rest > 0)
      std::memset(call.out[k].bytes() + n * out_strides[k], 0, static_cast<std::size_t>(rest));
}

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

void run_while(const Call& call) {
  const While loop(call);
  const std::vector<Array> in = all_contiguous(call.in);
  const std::span<Array> out = call.out.first(call.out.size() - 1);

  Steps steps(loop.body, loop.n_consts, loop.n_carry);
  for (std::size_t i = 0; i < loop.n_consts; ++i) steps.in[i] = in[loop.n_asked + i].bytes();
  steps.start(std::span(in).subspan(loop.n_asked + loop.n_consts), out);
  CpuExecutor::Repeated ask(loop.condition.program());
  Pointers asked(loop.condition.inputs().size());
  for (std::size_t i = 0; i < loop.n_asked; ++i) asked[i] = in[i].bytes();
  alignas(64) std::byte answer[64];
  std::byte* answers[] = {answer};
  const auto goes_on = [&] {
    for (std::size_t k = 0; k < loop.n_carry; ++k) asked[loop.n_asked + k] = steps.in[steps.first + k];
    ask(asked.data(), answers);
    return answer[0] != std::byte{0};
  };

  std::int64_t n = 0;
  Patience patience(loop.condition.cost() + loop.body.cost());
  for (; goes_on(); ++n) {
    patience.step();
    if (loop.limited && n == loop.limit)
      fail(ErrorKind::Value, "while_loop: the condition is still true after max_steps=", loop.limit,
           " steps; raise max_steps, or let the condition count");
    for (std::size_t k = loop.n_carry; k < out.size(); ++k)
      steps.out[k] = out[k].bytes() + n * bytes_of(loop.body.outputs()[k]);
    steps.step(n % 2 == 0);
  }
  steps.finish(out.first(loop.n_carry));
  for (std::size_t k = loop.n_carry; k < out.size(); ++k) {
    const std::int64_t row = bytes_of(loop.body.outputs()[k]);
    if (n < loop.limit && row > 0)
      std::memset(out[k].bytes() + n * row, 0, static_cast<std::size_t>((loop.limit - n) * row));
  }
  *call.out.back().data<std::int64_t>() = n;
}

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

void run_once(const Body& body, std::span<const Array> operands, std::span<const Array> results) {
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
  run_once(*branches[static_cast<std::size_t>(index)], call.in.subspan(1), call.out);
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

void run_call(const Call& call) { run_once(*call.attrs[0].bodies().at(0), call.in, call.out); }

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
         .run = {run_scan},
         .cost = cost_of_scan,
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
         .run = {run_while},
         .cost = cost_of_while,
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
