// The state that random numbers are drawn from: an int64 Tensor, [key, draw].
#pragma once

#include <cstdint>

#include "../core/error.h"
#include "../core/kernel.h"

namespace alice {

struct RandomState {
  explicit RandomState(const Array& state)
      : key(static_cast<std::uint64_t>(state.data<std::int64_t>()[0])),
        draw(static_cast<std::uint64_t>(state.data<std::int64_t>()[state.strides()[0]])) {}

  std::uint64_t key, draw;
};

// Input 0 of every draw.
inline void check_random_state(const Call& call) {
  const Array& state = call.in[0];
  if (state.dtype() != DType::Int64 || !(state.shape() == Dims{2}))
    fail(state.dtype() != DType::Int64 ? ErrorKind::DType : ErrorKind::Shape, call.kernel.name,
         ": state must be two int64 numbers, key and draw; got shape ", state.shape(), ", dtype ", name(state.dtype()));
}

}  // namespace alice
