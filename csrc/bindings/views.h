// Tensors are values, and only the one that a memory belongs to can be changed in place. Others that show it, its
// views, then have lost their values.
#pragma once

#include "tensor.h"

namespace alice {

// The version of the memory as this thread sees it: a traced function has not changed anything yet, but goes on as if
// it had. 0 without memory.
std::uint32_t version_of(const Array& a);

inline bool is_stale(const TensorObject* t) { return t->view && version_of(t->array) != t->version; }
[[noreturn]] void refuse_stale(const TensorObject* t, const char* op);
inline void check_current(const TensorObject* t, const char* op) {
  if (is_stale(t)) refuse_stale(t, op);
}

// The memory counts the Tensors that show it.
inline void join_memory(TensorObject* t) {
  Storage* s = t->array.storage().get();
  if (!s) return;
  t->view = s->values++ > 0;
  t->version = version_of(t->array);
}
inline void leave_memory(TensorObject* t) {
  if (Storage* s = t->array.storage().get()) --s->values;
}

void set_array(TensorObject* t, Array array);

}  // namespace alice
