#include "client/runtime/workspace.h"

#include <algorithm>
#include <cstring>

#include "trusted/kernels/float_mode.h"

extern "C" {
extern const unsigned char anchorhold_image[];
}

namespace anchorhold::runtime {
namespace {

constexpr std::size_t kLine = 64;

std::size_t Aligned(std::size_t size) { return (size + kLine - 1) / kLine * kLine; }

std::byte* AlignedUp(void* memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return static_cast<std::byte*>(memory) + (Aligned(address) - address);
}

// Where the parts of the memory lie, from its aligned beginning; scratch is the last.
struct Places {
  std::size_t shared = 0;
  std::size_t arena = 0;
  std::size_t squares = 0;
  std::size_t scales = 0;
  std::size_t contributions = 0;
  std::size_t rows = 0;
  std::size_t grid = 0;
  std::size_t scratch = 0;
};
Places PlacesOf(const Image& image) {
  const bool on_grid = image.mode == ImageMode::kPrivateTrain;
  const std::size_t factors = image.group * (image.sums.count + 1);
  Places places;
  std::size_t at = Aligned(sizeof(Workspace));
  const auto take = [&at](std::size_t size) {
    const std::size_t place = at;
    at += Aligned(size);
    return place;
  };
  places.shared = take(image.shared_bytes);
  places.arena = take(image.arena_bytes);
  places.squares = take(factors * sizeof(double));
  places.scales = take(factors * sizeof(float));
  places.contributions = take(image.group * sizeof(double));
  places.rows = take(engine::RowPlaces(Entries(image.sums), image.group) * sizeof(std::int32_t));
  places.grid = take(on_grid ? image.parameter_count * sizeof(std::int32_t) : 0);
  places.scratch = at;
  return places;
}

engine::StepTables TablesOf(const Image& image) {
  engine::StepTables tables;
  tables.points = Entries(image.points);
  tables.point_inputs = Entries(image.point_inputs);
  tables.point_operands = Entries(image.point_operands);
  tables.instructions = Entries(image.instructions);
  tables.output_registers = Entries(image.output_registers);
  tables.output_operands = Entries(image.output_operands);
  return tables;
}

std::size_t ScratchFloats(const Image& image, const engine::Kernels& kernels) {
  const engine::StepTables tables = TablesOf(image);
  std::size_t most = engine::SumScratch(Entries(image.sums), kernels, image.group);
  for (const auto& steps : {image.prologue, image.forward, image.backward}) {
    most = std::max(most, engine::ScratchOfAll(Entries(steps), tables, kernels, image.group));
  }
  return most;
}

std::byte*& Base(engine::Frame& frame, engine::Space space) {
  return frame.base[static_cast<std::size_t>(space)];
}

// Never written: these spaces are no step's output.
template <typename T>
std::byte* ReadOnly(const T* data) {
  return reinterpret_cast<std::byte*>(const_cast<T*>(data));
}

void LoadInputs(const Image& image, const engine::Frame& frame, const float* row) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    for (const InputPlan& input : Entries(image.inputs)) {
      if (input.used != 0) engine::LoadInput(input.operand, input.real != 0, row, frame, e);
      row += input.operand.size;
    }
  }
}

void RunSteps(const Workspace& workspace, const Table<engine::Step>& steps,
              const engine::Frame& frame) {
  for (const engine::Step& step : Entries(steps)) {
    engine::RunStep(step, workspace.tables, workspace.kernels, frame);
  }
}

void RunGroup(Workspace& workspace, const Request& request, std::size_t first) {
  const Image& image = TheImage();
  const engine::Frame& frame = workspace.group.frame;
  LoadInputs(image, frame, request.inputs + first * image.input_width);
  RunSteps(workspace, image.forward, frame);
  if (request.results != nullptr) {
    const std::size_t width = image.result.size;
    for (std::size_t e = 0; e < frame.examples; ++e) {
      std::memcpy(request.results + (first + e) * width, engine::Reals(image.result, frame, e),
                  width * sizeof(float));
    }
  }
  if (!request.sums) return;
  SeedGroup(workspace, request, first);
  RunSteps(workspace, image.backward, frame);
}

constexpr simd::Target kTargets[] = {simd::Target::kSse4, simd::Target::kNeon, simd::Target::kAvx2,
                                     simd::Target::kAvx512};

}  // namespace

const Image& TheImage() { return *reinterpret_cast<const Image*>(anchorhold_image); }

std::size_t WorkspaceBytes() {
  const Image& image = TheImage();
  std::size_t most = 0;
  for (const simd::Target target : kTargets) {
    const engine::Kernels kernels = engine::KernelsFor(target);
    if (!kernels.complete() || !simd::DetectTarget(target)) continue;
    const std::size_t scratch = ScratchFloats(image, kernels) * sizeof(float);
    most = std::max(most, kLine + PlacesOf(image).scratch + scratch + kLine);
  }
  return most;
}

Workspace& WorkspaceIn(void* memory) { return *reinterpret_cast<Workspace*>(AlignedUp(memory)); }

bool OpenWorkspace(void* memory, simd::Target target) {
  Workspace workspace;
  workspace.kernels = engine::KernelsFor(target);
  if (!workspace.kernels.complete() || !simd::DetectTarget(target)) return false;
  const Image& image = TheImage();
  const Places places = PlacesOf(image);
  std::byte* const base = AlignedUp(memory);
  workspace.tables = TablesOf(image);
  engine::Frame& frame = workspace.group.frame;
  Base(frame, engine::Space::kShared) = base + places.shared;
  Base(frame, engine::Space::kArena) = base + places.arena;
  Base(frame, engine::Space::kReals) = ReadOnly(Entries(image.reals).data());
  Base(frame, engine::Space::kIntegers) = ReadOnly(Entries(image.integers).data());
  frame.scratch = reinterpret_cast<float*>(base + places.scratch);
  workspace.group.squares = reinterpret_cast<double*>(base + places.squares);
  workspace.group.scales = reinterpret_cast<float*>(base + places.scales);
  workspace.group.rows = reinterpret_cast<std::int32_t*>(base + places.rows);
  workspace.contributions = reinterpret_cast<double*>(base + places.contributions);
  workspace.grid = reinterpret_cast<std::int32_t*>(base + places.grid);
  std::memset(base, 0, places.scratch);
  std::memcpy(base + places.shared, Entries(image.shared).data(), image.shared.count);
  std::memcpy(base, &workspace, sizeof(workspace));
  return true;
}

void Run(Workspace& workspace, const Request& request) {
  const kernels::FlushSubnormals flush;
  const Image& image = TheImage();
  engine::Frame& frame = workspace.group.frame;
  Base(frame, engine::Space::kParameters) = ReadOnly(request.parameters);
  frame.examples = 1;
  RunSteps(workspace, image.prologue, frame);
  StepSum sum(workspace, request);
  const std::size_t group = request.sums ? sum.group() : image.group;
  const engine::Rounds cut = engine::CutBatch(request.examples, 1, group);
  for (std::size_t first = 0; first < request.examples; first += cut.each) {
    frame.examples = std::min(cut.each, request.examples - first);
    RunGroup(workspace, request, first);
    if (request.sums) sum.Add(first);
  }
  if (request.sums) sum.Finish();
}

}  // namespace anchorhold::runtime
