// The engine's exceptions. Each kind becomes one Python class at the boundary (bindings/errors.cpp).
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace alice {

enum class ErrorKind { Shape, DType, Device, Gradient, Trace, LinAlg, Index, Value };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

[[noreturn]] void throw_error(ErrorKind kind, const std::ostringstream& text);

// fail(ErrorKind::Shape, "matmul: a.shape[-1] must equal b.shape[-2]; got a ", a.shape, …)
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw_error(kind, text);
}

}  // namespace alice
