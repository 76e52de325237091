// Contract: what a program assumes of the variables around it, and what it leaves there. A variable is a value with a
// place for a gradient: an argument of the call, or something from outside that the traced function refers to. Whoever
// owns the variables shows them as they are at the call; nothing here knows who that is.
#pragma once

#include <vector>

#include "../core/array.h"

namespace alice::program {

// A variable at the moment of a call. One variable has one `value`, whose address tells it from others.
struct Variable {
  const Array* value = nullptr;     // null for a number
  const Array* gradient = nullptr;  // null for none
  bool requires_grad = false;
};

// One variable, or one result, as the program knows it.
struct Binding {
  enum class Gradient : std::uint8_t { Unread, Absent, Present };

  DType dtype = DType::Float32;
  Dims shape;
  std::uint8_t width = 0;  // of an integer number: bytes of the narrowest dtype that holds it
  bool is_number = false;  // no array, but a number of the language outside
  bool requires_grad = false;
  Array memory;  // of a variable from outside: where the program reads and writes it, owned; of a result: its layout

  Gradient gradient = Gradient::Unread;  // what the function found there, if it looked
  DType gradient_dtype = DType::Float32;
  int reads = -1;         // the program's input that is the gradient found
  bool replaces = false;  // the program leaves a gradient, or none
  int result = -1;        // the program's result that becomes the gradient; -1: none is left
  DType result_dtype = DType::Float32;

  bool holds(const Variable& v) const;
  bool touches_gradient() const { return gradient != Gradient::Unread || replaces; }
};

// An argument as it is now, with the gradient that it has.
Binding describe(const Variable& v);

struct Contract {
  std::vector<Binding> arguments, outside, results;

  // Which variables' gradients the program reads or replaces.
  struct Touched {
    bool is_argument;
    int number;
  };
  std::vector<Touched> touched;
  const Binding& binding(const Touched& t) const {
    return (t.is_argument ? arguments : outside)[std::size_t(t.number)];
  }

  void finish();  // fills `touched`; once all bindings are made

  // Is everything as it was when the function was traced? The functions give the variable of a number.
  template <class ArgumentOf, class OutsideOf>
  bool holds(const ArgumentOf& argument, const OutsideOf& from_outside) const {
    for (std::size_t i = 0; i < arguments.size(); ++i)
      if (!arguments[i].holds(argument(i))) return false;
    for (std::size_t i = 0; i < outside.size(); ++i)
      if (!outside[i].holds(from_outside(i))) return false;
    return true;
  }

  // The program was made for variables that differ from each other. Where two whose gradients it touches are one this
  // time, their gradient would be two.
  template <class ArgumentOf, class OutsideOf>
  bool is_split(const ArgumentOf& argument, const OutsideOf& from_outside) const {
    const auto value = [&](const Touched& t) {
      return (t.is_argument ? argument(std::size_t(t.number)) : from_outside(std::size_t(t.number))).value;
    };
    for (std::size_t i = 0; i < touched.size() && touched[i].is_argument; ++i)  // arguments come first
      for (std::size_t k = i + 1; k < touched.size(); ++k)
        if (value(touched[i]) == value(touched[k])) return true;
    return false;
  }
};

}  // namespace alice::program
