// Body: a traced function of arrays that others run: a loop over and over, a choice perhaps. It may be known before it
// has a program, by the layouts of its arrays alone: abstract runs need no more.
#pragma once

#include <memory>
#include <vector>

#include "cpu_executor.h"

namespace alice::program {

class Body {
 public:
  Body(std::vector<Array> inputs, std::vector<Array> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  const std::vector<Array>& inputs() const { return inputs_; }
  const std::vector<Array>& outputs() const { return outputs_; }

  // The program reads and writes nothing but its inputs and results.
  void complete(std::shared_ptr<const CpuExecutor> program);
  bool is_complete() const { return program_ != nullptr; }
  bool exchanges() const { return exchanges_; }  // with other processes; false before it is complete
  const CpuExecutor& program() const;

  double cost() const { return program_ ? program_->plan().cost() : 0; }  // of one run, in nanoseconds
  double flops() const;

 private:
  std::vector<Array> inputs_, outputs_;  // layouts
  std::shared_ptr<const CpuExecutor> program_;
  bool exchanges_ = false;
};

}  // namespace alice::program
