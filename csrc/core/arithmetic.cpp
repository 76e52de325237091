#include "arithmetic.h"

namespace alice {
namespace {

const ArithmeticTable* table = nullptr;

}  // namespace

const ArithmeticLoops& arithmetic_loops(Arithmetic kind, Numbers of) {
  return table->loops[static_cast<int>(kind)][static_cast<int>(of)];
}

void set_arithmetic_loops(const ArithmeticTable& given) { table = &given; }

}  // namespace alice
