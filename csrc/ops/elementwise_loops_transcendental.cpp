// Elementary functions.
#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {
    floating<Exp, 1>("exp", 0.3f),
    floating<Expm1, 1>("expm1", 1.0f),
    floating<Exp2, 1>("exp2", 1.0f),
    floating<Log, 1>("log", 0.4f),
    floating<Log1p, 1>("log1p", 1.2f),
    floating<Log2, 1>("log2", 1.0f),
    floating<Log10, 1>("log10", 1.0f),
    floating<Sin, 1>("sin", 1.0f),
    floating<Cos, 1>("cos", 1.0f),
    floating<Tan, 1>("tan", 1.5f),
    floating<Asin, 1>("asin", 1.5f),
    floating<Acos, 1>("acos", 1.5f),
    floating<Atan, 1>("atan", 1.5f),
    floating<Atan2, 2>("atan2", 2.0f),
    floating<Sinh, 1>("sinh", 1.5f),
    floating<Cosh, 1>("cosh", 1.2f),
    floating<Tanh, 1>("tanh", 0.4f),
    floating<Asinh, 1>("asinh", 2.0f),
    floating<Acosh, 1>("acosh", 2.0f),
    floating<Atanh, 1>("atanh", 2.0f),
    floating<Erf, 1>("erf", 2.0f),
    floating<Erfc, 1>("erfc", 2.0f),
    numeric<Pow, 2>("pow", 3.0f, {.at_two = "square"}),
    floating<PowLog, 2>("pow_log", 20.0f, {.params = {"k"}}),
    floating<LogAddExp, 2>("logaddexp", 3.0f),
    floating<XLogY, 2>("xlogy", 1.0f),
};

}  // namespace

ElementwiseTable transcendental_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
