// What readers of a trace want to know of an equation beyond what reverse mode needs. It is written down while
// somebody records or debugs, and costs nothing otherwise.
#pragma once

#include <memory>

#include "engine.h"
#include "features.h"

namespace alice {

struct Record {
  py::object where;             // (file, line) of the user's code that made the call, or None
  py::object rule_of;           // the Equation whose gradient rule made it, or None
  bool accumulates = false;     // adds a contribution to an adjoint
  bool is_view = false;         // the results lie in the memory of the first operands
  bool passes_on = false;       // the result is the first operand
  double flops = 0, bytes = 0;  // estimates, see work_of()
  py::tuple operands;           // constants that share the memory of what came in, abstract or not
  py::tuple results;            // and of what came out; none of an update
  std::vector<bool> saved;      // by operand, then by result: kept for the gradient rules

  int traverse(visitproc visit, void* arg) const {  // for the garbage collector
    for (const py::object* o :
         {&where, &rule_of, static_cast<const py::object*>(&operands), static_cast<const py::object*>(&results)})
      Py_VISIT(o->ptr());
    return 0;
  }
};

// Of a call that became an equation; null while a function is being traced. For a checker alone, only the place of the
// call is kept.
std::shared_ptr<Record> make_record(const BoundCall& call);

// Of an update in place.
std::shared_ptr<Record> make_update_record(const Call& call);

// Of a joint: its results are the first of the inputs, and its rules read those up to `n_fixed`.
std::shared_ptr<Record> make_joint_record(std::span<const Array> in, std::span<const Array> out, std::size_t n_fixed);

py::object show(std::shared_ptr<const Record> record);  // None if there is none

std::vector<Array> result_arrays(py::handle result);  // of a Tensor, or a tuple of them

// Constants on the memory of the arrays, or on copies.
py::tuple constants(std::span<const Array> arrays);
py::tuple copies(std::span<const Array> arrays);

// Shows an executed call to the thread's checker, which raises if it does not like the results.
void check_results(PrimitiveObject* primitive, py::tuple operands, std::span<const Array> results,
                   py::tuple attributes);

// Says whose gradient rules run for as long as it lives, and which cotangents are asked of them.
class RuleScope {
 public:
  template <class Wants>
  RuleScope(EquationObject* equation, const Wants& wants)
      : eq(equation), features_(*thread_state().features), before_(features_.rules) {
    if (eq->primitive->vjp_joint)  // rules for single inputs are not called in vain
      for (std::size_t i = 0; i < eq->inputs.size() && i < 64; ++i)
        if (!wants(i)) wanted_ &= ~(std::uint64_t{1} << i);
    features_.rules = this;
  }
  ~RuleScope() { features_.rules = before_; }
  RuleScope(const RuleScope&) = delete;

  bool wants(std::size_t input) const { return input >= 64 || (wanted_ >> input & 1) != 0; }
  EquationObject* const eq;

 private:
  Features& features_;
  const RuleScope* before_;
  std::uint64_t wanted_ = ~std::uint64_t{0};
};

// Says that contributions to an adjoint are added up for as long as it lives.
class AccumulationScope {
 public:
  AccumulationScope() : features_(*thread_state().features) { features_.accumulating = true; }
  ~AccumulationScope() { features_.accumulating = false; }
  AccumulationScope(const AccumulationScope&) = delete;

 private:
  Features& features_;
};

void add_record(py::module_& m);

}  // namespace alice
