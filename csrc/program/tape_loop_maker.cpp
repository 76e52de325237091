// From the tapes of a loop's body and condition to what is done once, and what in every step.
#include <algorithm>
#include <map>
#include <span>

#include "tape_loop.h"

namespace alice::program {

std::unique_ptr<const TapeLoop> TapeLoop::of(const CpuExecutor* condition, const CpuExecutor& body, Counts counts) {
  const auto* tape = dynamic_cast<const ScalarTape*>(body.tape());
  const auto* asks = condition ? dynamic_cast<const ScalarTape*>(condition->tape()) : nullptr;
  if (!tape || (condition && !asks)) return nullptr;
  return std::unique_ptr<const TapeLoop>(new TapeLoop(asks, *tape, counts));
}

// Every element of the carry has a register, whether the body reads it or not: the results of a step go there.
TapeLoop::TapeLoop(const ScalarTape* condition, const ScalarTape& body, Counts counts)
    : condition_(condition), body_(body), registers_(static_cast<std::int32_t>(body.start_.size())) {
  const auto asked = static_cast<std::int32_t>(counts.asked), consts = static_cast<std::int32_t>(counts.consts),
             n = static_cast<std::int32_t>(counts.carry);
  std::map<std::pair<std::int32_t, std::int64_t>, std::int32_t> places;  // by number in the carry, and offset
  std::vector<std::int32_t> is_carried(body.start_.size(), 0);
  for (const Move& m : body.loads_) {
    if (m.base < consts) {  // or an address
      constants_.push_back(m);
    } else if (m.base < consts + n) {
      places[{m.base - consts, m.offset}] = m.reg;
      is_carried[static_cast<std::size_t>(m.reg)] = 1;
    } else {
      items_.push_back(m);
    }
  }
  for (const Move& m : body.stores_) {
    if (m.base >= n) {
      stacked_.push_back(m);
      continue;
    }
    const auto [place, is_new] = places.try_emplace({m.base, m.offset}, registers_);
    if (is_new) ++registers_;
    const std::int32_t to = place->second;
    carry_.push_back({m.base, to, m.offset, m.item});
    first_.push_back({m.base + consts, to, m.offset, m.item});
    if (m.reg == to) continue;
    if (is_carried[static_cast<std::size_t>(m.reg)]) {  // the results are those of before
      set_aside_.push_back({registers_, m.reg, 0, 0});
      carried_.push_back({to, registers_++, 0, 0});
    } else {
      carried_.push_back({to, m.reg, 0, 0});
    }
  }
  part_steps();
  if (!condition) return;
  for (const Move& m : condition->loads_) {
    if (m.base < asked)
      asked_.push_back(m);
    else
      shown_.push_back({m.reg, places.at({m.base - asked, m.offset}), 0, 0});
  }
}

// Every register is written by one step. Calls may throw: they stay where they are.
void TapeLoop::part_steps() {
  std::vector<std::int32_t> varies(static_cast<std::size_t>(registers_), 0), is_constant;
  const auto at = [](std::int32_t reg) { return static_cast<std::size_t>(reg); };
  for (const Move& m : items_) varies[at(m.reg)] = 1;
  for (const Move& m : carry_) varies[at(m.reg)] = 1;
  for (const ScalarTape::Group& group : body_.groups_)
    for (const ArithmeticStep* s = group.first; s != group.last; ++s) {
      bool all = true;
      if (group.run) {
        all = !varies[at(s->a)] && !varies[at(s->b)] && !varies[at(s->c)];
        if (!all) varies[at(s->out)] = 1;
      } else if (group.op == kLoop) {
        const ScalarTape::Lanes& lanes = body_.loops_[at(s->a)];
        const std::span<const std::int32_t> list{body_.lists_.data() + lanes.first, (lanes.n_in + 1u) * lanes.n};
        const auto reads = list.first(lanes.n_in * lanes.n);
        all = std::ranges::none_of(reads, [&](std::int32_t r) { return varies[at(r)] != 0; });
        if (!all)
          for (std::int32_t r : list.last(lanes.n)) varies[at(r)] = 1;
      } else {
        all = false;
        const ScalarTape::KernelCall& call = body_.calls_[at(s->a)];
        for (std::size_t k = call.n_in; k < call.operands.size(); ++k)
          for (const ScalarTape::Element& e : call.operands[k].elements) varies[at(e.reg)] = 1;
      }
      is_constant.push_back(all);
    }
  if (std::ranges::find(is_constant, 1) == is_constant.end())
    each_ = body_.groups_;
  else
    part(is_constant);
}

void TapeLoop::part(const std::vector<std::int32_t>& is_constant) {
  steps_.reserve(is_constant.size());  // groups point to them
  for (const std::int32_t wanted : {1, 0}) {
    auto is = is_constant.begin();
    for (ScalarTape::Group group : body_.groups_) {
      const ArithmeticStep* const first = steps_.data() + steps_.size();
      for (const ArithmeticStep* s = group.first; s != group.last; ++s)
        if (*is++ == wanted) steps_.push_back(*s);
      group.first = first;
      group.last = steps_.data() + steps_.size();
      if (group.first != group.last) (wanted ? once_ : each_).push_back(group);
    }
  }
}

}  // namespace alice::program
