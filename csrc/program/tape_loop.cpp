// Hot: every step of a loop runs through here.
#include "tape_loop.h"

#include <algorithm>

namespace alice::program {

void TapeLoop::copy(const Copies& copies, Register* to, const Register* from) {
  for (const ArithmeticStep& c : copies) to[c.out] = from[c.a];
}

TapeLoop::Run::Run(const TapeLoop& loop, std::byte* const* asked, std::byte* const* in)
    : loop_(loop),
      registers_(Array::empty(
          {loop.registers_ + (loop.condition_ ? static_cast<std::int64_t>(loop.condition_->start_.size()) : 0)},
          DType::Float64)),
      body_(reinterpret_cast<Register*>(registers_.bytes())),
      condition_(body_ + loop.registers_),
      of_body_(loop.body_.make_arrays()) {
  std::ranges::copy(loop.body_.start_, body_);
  ScalarTape::load(loop.constants_, in, body_);
  ScalarTape::load(loop.first_, in, body_);
  loop.body_.compute(loop.once_, of_body_, body_);
  if (!loop.condition_) return;
  of_condition_ = loop.condition_->make_arrays();
  std::ranges::copy(loop.condition_->start_, condition_);
  ScalarTape::load(loop.asked_, asked, condition_);
}

bool TapeLoop::Run::goes_on() {
  copy(loop_.shown_, condition_, body_);
  loop_.condition_->compute(loop_.condition_->groups_, of_condition_, condition_);
  return condition_[loop_.condition_->stores_[0].reg].bytes[0] != std::byte{0};
}

void TapeLoop::Run::step(std::byte* const* in, std::byte* const* out) {
  ScalarTape::load(loop_.items_, in, body_);
  loop_.body_.compute(loop_.each_, of_body_, body_);
  ScalarTape::store(loop_.stacked_, body_, out);
  copy(loop_.set_aside_, body_, body_);
  copy(loop_.carried_, body_, body_);
}

void TapeLoop::Run::finish(std::byte* const* out) const { ScalarTape::store(loop_.carry_, body_, out); }

}  // namespace alice::program
