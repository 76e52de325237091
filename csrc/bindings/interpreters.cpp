// Hot: every call runs through here.
#include "interpreters.h"

#include <utility>

namespace alice {

Interpreter* Interpreters::exchange(Kind kind, Interpreter* other) {
  Interpreter* before = std::exchange(all_[kind], other);
  count_ += (other != nullptr) - (before != nullptr);
  want_all_ = are_abstract_ = false;
  for (const Interpreter* i : all_) {
    if (!i) continue;
    want_all_ = want_all_ || i->wants_all();
    are_abstract_ = are_abstract_ || i->is_abstract();
  }
  return before;
}

// What an interpreter does may end another one: each is looked up when it is its turn.
void Interpreters::see(const BoundCall& call) const {
  for (Interpreter* const& i : all_)
    if (i) i->see(call);
}

void Interpreters::made(TensorObject* t) const {
  for (Interpreter* i : all_)
    if (i) i->made(t);
}

TensorObject* Interpreters::value_of(TensorObject* t) const {
  for (Interpreter* const& i : all_)
    if (i) t = i->value(t);
  return t;
}

}  // namespace alice
