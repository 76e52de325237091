#include "equation_attributes.h"

#include "convert.h"
#include "extension.h"
#include "origin.h"
#include "primitive.h"
#include "record.h"

namespace alice {
namespace {

py::object get_inputs(EquationObject* eq) { return saved_inputs(eq, eq); }
py::object get_outputs(EquationObject* eq) { return saved_outputs(eq, eq); }

// Shapes and dtypes of the results, which are known even when their data is gone.
py::object get_types(EquationObject* eq) {
  return tuple_of(eq->outputs.size(), [&](std::size_t i) -> py::object {
    const Array& a = eq->outputs[i].array;
    py::object shape = tuple_of(static_cast<std::size_t>(a.rank()),
                                [&](std::size_t k) { return py::int_(a.dim(static_cast<int>(k))); });
    return py::make_tuple(shape, dtype_object(a.dtype()));
  });
}

// Names for the printed trace.
py::object get_variables(EquationObject* eq) {
  return tuple_of(eq->inputs.size(), [&](std::size_t i) {
    return eq->inputs[i].source ? owned(value_key(root_of(eq, i), root_index(eq, i))) : py::none();
  });
}

bool get_is_muted(EquationObject* eq) { return eq->extension && eq->extension->muted; }

// Names for the results.
py::object get_results(EquationObject* eq) {
  return tuple_of(eq->outputs.size(),
                  [&](std::size_t i) { return owned(value_key(as_object(eq), static_cast<int>(i))); });
}

// Handles on the values of the inputs, whether their data was saved or not.
py::object get_operands(EquationObject* eq) {
  return tuple_of(eq->inputs.size(), [&](std::size_t i) {
    const Saved& s = eq->inputs[i];
    return owned(value_handle(root_of(eq, i), root_index(eq, i), s.array, s.contexts, eq->trace));
  });
}

// The Tensors that an in-place update has written to.
py::object get_changed(EquationObject* eq) {
  const std::span<const py::object> changed = changed_by(eq);
  return tuple_of(changed.size(), [&](std::size_t i) { return changed[i]; });
}

py::object get_primitive(EquationObject* eq) { return borrowed(as_object(eq->primitive)); }
std::uint64_t get_sequence(EquationObject* eq) { return eq->sequence; }
py::object get_attributes(EquationObject* eq) { return eq->attributes ? borrowed(eq->attributes) : py::tuple(); }
py::object get_record(EquationObject* eq) { return show(eq->extension ? eq->extension->record : nullptr); }

// Where the inputs come from.
py::object get_sources(EquationObject* eq) {
  return tuple_of(eq->inputs.size(), [&](std::size_t i) {
    PyObject* source = eq->inputs[i].source;
    return borrowed(source ? source : Py_None);
  });
}

// Bytes that this equation alone keeps from being freed cannot be known; these are the bytes it holds on to.
std::size_t get_saved_bytes(EquationObject* eq) {
  std::size_t bytes = 0;
  const auto add = [&](const Array& a) {
    if (!a.is_abstract()) bytes += static_cast<std::size_t>(a.numel()) * itemsize(a.dtype());
  };
  for (const Saved& s : eq->inputs) add(s.array);
  for (const Output& r : eq->outputs) add(r.array);
  return bytes;
}

}  // namespace

void add_attributes(TypeMaker<EquationObject>& type) {
  type.getter<get_primitive>("primitive", "The primitive that was called.")
      .getter<get_attributes>("attributes", "The static arguments of the call.")
      .getter<get_sequence>("sequence", "Equations are numbered in the order of their execution.")
      .getter<get_inputs>("inputs", "The inputs as Tensors; abstract where no rule reads the data.")
      .getter<get_outputs>("outputs", "The results as Tensors; abstract where no rule reads the data.")
      .getter<get_results>("results", "Keys of the results.")
      .getter<get_types>("types", "Shapes and dtypes of the results.")
      .getter<get_is_muted>("is_muted", "True if it ran inside no_grad().")
      .getter<get_operands>("operands", "Handles on the values of the inputs, for who runs the equation again.")
      .getter<get_changed>("changed", "The Tensors that this equation changed in place; usually none.")
      .getter<get_variables>("variables", "Keys of the inputs, None for anonymous constants.")
      .getter<get_sources>("sources", "Per input its Equation, its leaf Tensor, or None for a constant.")
      .getter<get_record>("record", "What was written down for readers, None if nobody recorded or debugged.")
      .getter<get_saved_bytes>("saved_bytes", "Bytes of the values kept for the gradient rules.");
}

}  // namespace alice
