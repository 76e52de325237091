// Primitives that the engine calls by itself: behind an operator (`+`), a promotion (`astype`), a sum of adjoints.
#pragma once

#include "primitive.h"

namespace alice {

enum OperatorSlot {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kRemainder,
  kPower,
  kMatmul,
  kNegative,
  kAbs,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kXor,
  kInvert,
  kBitAnd,
  kBitOr,
  kBitXor,
  kBitInvert,
  kLeftShift,
  kRightShift,
  kAstype,
  kRemat,
  kNonnegative,
  kFitting,
  kChecked,
  kFloor,
  kCeil,
  kTrunc,
  kRound,
  kOperatorSlots
};

// Known once Python has made it: the first of its name, for good.
PrimitiveObject* operator_primitive(int slot);
void note_operator(PrimitiveObject* made);

}  // namespace alice
