// A chain of elementwise loops over broadcast operands, run tile by tile: what lies between the loops lives in buffers
// that stay in the nearest cache.
#pragma once

#include <vector>

#include "broadcast.h"
#include "kernel.h"
#include "slopes.h"

namespace alice {

// Plan of a chain over one result shape. Its values (inputs, constants, stored results, buffers) are numbered as they
// are added.
class Tiles {
 public:
  explicit Tiles(const Dims& shape);

  // Each returns the number of the value. An input is read from memory at run time, through any strides.
  int add_input(const Array& x);
  int add_constant(const Array& x);  // its one element is there already
  int add_result(DType dtype);       // contiguous, of the whole shape
  int add_buffer(DType dtype);       // between two loops

  struct Step {
    Elementwise work;
    int n_in;
    int in[4];
    int out;
    SlopeLoop both = nullptr;  // leaves the slopes at its operand in `slopes`, too
    int slopes = -1;
  };
  void add_step(const Step& step) { steps_.push_back(step); }
  void finish();  // after the last step, before the first run

  bool is_contiguous_input(int value) const {
    const Value& v = values_[static_cast<std::size_t>(value)];
    return v.role == Role::Input && v.operand.contiguous();
  }

  // `memory` holds where each value lies, null for constants and buffers. run() shares the work among threads.
  void run(std::byte* const* memory) const;
  void run_range(std::byte* const* memory, std::int64_t begin, std::int64_t end) const;
  // As run_range, but result `piece`, for which somebody waits, is written from the beginning of `to` on.
  void run_piece(std::byte* const* memory, std::int64_t begin, std::int64_t end, int piece, void* to) const;

 private:
  enum class Role : std::uint8_t { Input, Constant, Result, Buffer };
  // Where a tile's elements are: further on in memory with every tile; in one place for all tiles; in a row of memory
  // that the tile must not leave; or in a buffer into which every tile is gathered.
  enum class Reading : std::uint8_t { Moving, Still, Rows, Gathered };
  struct Value {
    Role role;
    Reading reading;
    std::int64_t item;
    Operand operand = {};                   // of inputs and constants
    const std::byte* constant = nullptr;    // one element, until finish()
    std::vector<std::byte> constants = {};  // a whole tile of it
    int buffer = -1;                        // scratch of what is copied or computed
  };
  std::int64_t place(std::byte* const* memory, std::int64_t begin, std::int64_t n, std::byte** at) const;
  void choose_readings();
  void join_steps();
  SlopeLoop both(const Step& step, const Step& next) const;
  bool dies_in_next(std::size_t step) const;

  Dims shape_;
  std::int64_t size_ = 1, tile_ = 0;
  std::int64_t item_ = 1;  // bytes of the largest element
  int buffers_ = 0;
  bool scattered_ = false;  // some operand is read in rows, or gathered
  std::int64_t chunk_ = 0;  // what a thread takes at a time: whole tiles
  std::vector<Value> values_;
  std::vector<Step> steps_;
};

}  // namespace alice
