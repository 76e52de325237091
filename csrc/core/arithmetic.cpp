#include "arithmetic.h"

namespace alice {
namespace {

const ArithmeticTable* table = nullptr;

}  // namespace

const ArithmeticLoops& arithmetic_loops(Arithmetic kind, bool is_double) {
  return table->loops[static_cast<int>(kind)][is_double];
}

void set_arithmetic_loops(const ArithmeticTable& given) { table = &given; }

}  // namespace alice
