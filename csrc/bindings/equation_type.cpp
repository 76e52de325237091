// Equation as CPython sees it: how it is freed.
// Hot: every call runs through here.
#include "equation_attributes.h"
#include "extension.h"
#include "primitive.h"

namespace alice {

PyTypeObject* equation_type = nullptr;

namespace {

int traverse(EquationObject* eq, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(eq));
  Py_VISIT(eq->primitive);
  Py_VISIT(eq->attributes);
  for (const Saved& s : eq->inputs) Py_VISIT(s.source);
  return eq->extension ? eq->extension->traverse(visit, arg) : 0;
}

// What is left is an equation of constants whose saved values are gone. The primitive stays: everybody asks it for its
// name, and it has a clear of its own.
int clear(EquationObject* eq) noexcept {
  eq->released = true;
  for (Saved& s : eq->inputs) {
    s.tracked = false;
    Py_CLEAR(s.source);
  }
  Py_CLEAR(eq->attributes);
  delete std::exchange(eq->extension, nullptr);
  return 0;
}

void destroy(EquationObject* eq) noexcept {
  clear(eq);
  Py_DECREF(as_object(eq->primitive));
  std::destroy(eq->inputs.begin(), eq->inputs.end());
  std::destroy(eq->outputs.begin(), eq->outputs.end());
  std::destroy_at(&eq->contexts);
  PyTypeObject* type = Py_TYPE(eq);
  PyObject_GC_Del(eq);
  Py_DECREF(type);
}

// A chain of a million equations must not free itself by recursion: an equation that dies while another one is being
// freed waits in a list. The list goes through the equations themselves (their marks are of no use any more), so
// freeing memory needs none.
struct Dying {
  EquationObject* first;
  bool busy;
};
thread_local Dying dying{};

void dealloc(EquationObject* eq) noexcept {
  PyObject_GC_UnTrack(eq);
  if (dying.busy) {
    eq->mark = reinterpret_cast<std::uintptr_t>(std::exchange(dying.first, eq));
    return;
  }
  dying.busy = true;
  destroy(eq);
  while (EquationObject* next = dying.first) {
    dying.first = reinterpret_cast<EquationObject*>(static_cast<std::uintptr_t>(next->mark));
    destroy(next);
  }
  dying.busy = false;
}

}  // namespace

void add_equation_type(py::module_& m) {
  TypeMaker<EquationObject> type("Equation", "One recorded call of a primitive.",
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, 1);
  type.slot<Py_tp_dealloc, dealloc>().slot<Py_tp_traverse, traverse>().slot<Py_tp_clear, clear>();
  add_attributes(type);
  equation_type = type.add_to(m);
}

}  // namespace alice
