// Small: for people to read, and once for a call.
#include <charconv>
#include <iterator>
#include <string_view>

#include "kernel.h"

namespace alice {

std::string describe(AttrKind set) {
  const bool real = has(set, AttrKind::Real);
  std::string text;
  int left = 0;
  const auto each = [&](auto&& f) {
    if (has(set, AttrKind::DType)) f("a dtype such as ac.float32");
    if (real) f("a number");
    if (has(set, AttrKind::Integer) && !real) f("an int");
    if (has(set, AttrKind::Dims)) f("a tuple of ints");
    if (has(set, AttrKind::Flag)) f("True or False");
    if (has(set, AttrKind::Bodies)) f("a tuple of traced functions");
    if (has(set, AttrKind::None)) f("None");
  };
  each([&](const char*) { ++left; });
  each([&](const char* part) {
    text += part;
    if (--left) text += left == 1 ? " or " : ", ";
  });
  return text;
}

namespace {

// All its digits, and a point if it would look like an integer.
std::ostream& write_real(std::ostream& os, double value) {
  char digits[32];
  const std::string_view text(digits, std::to_chars(digits, std::end(digits), value).ptr - digits);
  return os << text << (text.find_first_not_of("-0123456789") == text.npos ? ".0" : "");
}

}  // namespace

std::ostream& operator<<(std::ostream& os, const Attr& a) {
  switch (a.kind_) {
    case AttrKind::None: return os << "None";
    case AttrKind::Flag: return os << (a.int_ ? "True" : "False");
    case AttrKind::Integer: return os << a.int_;
    case AttrKind::Real: return write_real(os, a.real_);
    case AttrKind::DType: return os << name(a.dtype());
    case AttrKind::Dims: return os << a.dims_;
    case AttrKind::Bodies: return os << "traced functions";
  }
  return os;
}

void Attr::refuse(AttrKind kind) const {
  fail(ErrorKind::Value, "attribute: a kernel reads ", describe(kind), " where it has ", *this);
}

}  // namespace alice
