// Exchange: what processes tell each other, by the functions of an MPI library that somebody else has loaded; nothing
// here is linked with one. A channel is a communicator with the library that it belongs to.
#pragma once

#include <cstdint>
#include <vector>

#include "array.h"

namespace alice::exchange {

// What a library calls a communicator, a type, an operation: an int here, a pointer there. Either fits a word, in which
// calling conventions pass both.
using Handle = std::intptr_t;

enum class Reduction : std::uint8_t { Sum, Max, Min };
inline constexpr int kReductions = 3;

struct Library {
  int (*allreduce)(const void*, void*, int, Handle, Handle, Handle);
  int (*iallreduce)(const void*, void*, int, Handle, Handle, Handle, void*);
  int (*broadcast)(void*, int, Handle, int, Handle);
  int (*wait)(void*, void*);
  int (*error_string)(int, char*, int*);
  const void* in_place;
  Handle byte, reductions[kReductions], types[kDTypeCount];  // 0 for a dtype that it does not add
};

// Number 0 is that of a process alone, whose exchanges change nothing.
std::int64_t open(const Library& library, Handle communicator);

// Throws unless there is such a channel, and it belongs to this process.
void check(const char* op, std::int64_t channel);
bool reduces(std::int64_t channel, DType dtype);

// Contiguous arrays of one layout. `out` may be `in`. A heading goes before each: all of these throw on every rank if
// the ranks have met in different ones. The extreme of numbers among which there is a NaN is NaN.
void allreduce(std::int64_t channel, Reduction how, const Array& in, const Array& out);
void broadcast(std::int64_t channel, std::int64_t root, const Array& in, const Array& out);
// The elements of `out` are not there, and may not be touched, before finish().
void start(std::int64_t channel, Reduction how, const Array& in, const Array& out);
void finish(std::int64_t channel, const Array& started);
// All that was started, for work that ends early: its memory is about to serve others.
void finish_all();

// For whoever watches: exchanges that this process has begun and ended, and how long it waits already.
struct Progress {
  std::int64_t begun, ended;
  double seconds;
};
Progress progress();

}  // namespace alice::exchange
