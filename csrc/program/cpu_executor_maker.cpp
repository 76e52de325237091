// From a plan to what its runs need: loops and prepared kernels, and where their operands lie.
#include "cpu_executor.h"

namespace alice::program {
namespace {

int add_value(Tiles& tiles, const Chain::Value& v, const Graph& graph) {
  switch (v.role) {
    case Chain::Role::Input: return tiles.add_input(graph.value(v.value).array);
    case Chain::Role::Constant: return tiles.add_constant(graph.value(v.value).array);
    case Chain::Role::Result: return tiles.add_result(v.dtype);
    default: return tiles.add_buffer(v.dtype);
  }
}

}  // namespace

std::unique_ptr<CpuExecutor> CpuExecutor::of(Graph graph) {
  graph.simplify();
  CpuKernels kernels(graph);
  auto plan = std::make_shared<const Plan>(std::move(graph), kernels.abilities());
  return std::unique_ptr<CpuExecutor>(new CpuExecutor(std::move(plan), std::move(kernels)));
}

CpuExecutor::CpuExecutor(std::shared_ptr<const Plan> plan) : CpuExecutor(plan, CpuKernels(plan->graph())) {}

CpuExecutor::CpuExecutor(std::shared_ptr<const Plan> plan, CpuKernels kernels)
    : plan_(std::move(plan)), timings_(new Timing[plan_->instructions().size()]) {
  steps_.reserve(plan_->instructions().size());
  tape_ = Tape::of(*plan_, kernels);
  for (const Instruction& instruction : plan_->instructions()) {
    Step& step = steps_.emplace_back();
    step.instruction = &instruction;
    if (instruction.kernel_node >= 0) add_kernel(instruction, kernels, step);
    if (instruction.chain) add_chain(*instruction.chain, kernels, step);
  }
}

CpuExecutor::~CpuExecutor() {
  for (auto& slot : idle_) delete slot.load();
}

void CpuExecutor::add_kernel(const Instruction& instruction, CpuKernels& kernels, Step& step) {
  const auto n = static_cast<std::size_t>(instruction.kernel_node);
  const Node& node = plan_->graph().nodes()[n];
  step.kernel = node.kernel;
  step.prepared = std::move(kernels.prepared[n]);
  step.attrs = node.attrs;
  step.first_array = arrays_.size();
  step.n_in = node.in.size();
  step.n_out = node.out.size();
  const auto add = [&](int v) {
    if (plan_->place(v).moves()) moving_arrays_.push_back(arrays_.size());
    arrays_.push_back({v, plan_->place(v)});
  };
  for (int v : node.in) add(v);
  for (int v : node.out) add(v);
}

void CpuExecutor::add_chain(const Chain& chain, const CpuKernels& kernels, Step& step) {
  auto tiles = std::make_unique<Tiles>(chain.shape);
  step.first_pointer = pointers_.size();
  for (const Chain::Value& v : chain.values) {
    add_value(*tiles, v, plan_->graph());
    const Place place = v.in_memory() ? plan_->place(v.value) : Place{kFixed, 0};
    if (place.moves()) moving_pointers_.push_back(pointers_.size());
    pointers_.push_back(place);
  }
  for (const Chain::Step& s : chain.steps) {
    Tiles::Step made{kernels.loops[static_cast<std::size_t>(s.node)], static_cast<int>(s.in.size()), {}, s.out};
    std::copy(s.in.begin(), s.in.end(), made.in);
    tiles->add_step(made);
  }
  tiles->finish();
  step.tiles = std::move(tiles);
}

std::unique_ptr<CpuExecutor::Context> CpuExecutor::make_context() const {
  auto context = std::make_unique<Context>();
  context->arena = Array::empty({plan_->arena_bytes()}, DType::UInt8);
  const auto address = [&](const Place& p) {
    return p.base == kFixed   ? reinterpret_cast<std::byte*>(p.offset)
           : p.base == kArena ? context->arena.bytes() + p.offset
                              : nullptr;
  };
  context->arrays.reserve(arrays_.size());
  for (const Slot& s : arrays_) {
    context->arrays.push_back(plan_->graph().value(s.value).array);
    context->arrays.back().point_to(address(s.place));
  }
  context->pointers.reserve(pointers_.size());
  for (const Place& p : pointers_) context->pointers.push_back(address(p));
  if (tape_) context->tape = tape_->make_memory();
  return context;
}

}  // namespace alice::program
