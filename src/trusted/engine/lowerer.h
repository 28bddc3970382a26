// The state of one Lower call, and its passes in their order; each is in a file of its own.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "trusted/engine/lowering.h"

namespace anchorhold::engine {

struct Interval {
  float low = 0;
  float high = 0;
  bool operator==(const Interval&) const = default;
};

// One node that is to be computed.
struct Work {
  const graph::Node* node = nullptr;
  std::vector<graph::ValueId> inputs;  // the node's, or what stands in for them
  bool forward = true;
  bool absorbed = false;  // some other work's step does it
  int chain = -1;         // of elementwise nodes
  // Of a normalisation's gradients: its shift, if clipping (`clip`) or a Silu is behind it. The
  // gradient that they read is then the one behind that.
  graph::ValueId shift = graph::kNoValue;
  graph::ValueId bent = graph::kNoValue;  // what its derivative read: tells normalisations apart
  // Of products, convolutions and normalisations: what is done behind them.
  graph::ValueId output = graph::kNoValue;  // of the last node that is taken along
  graph::ValueId bias = graph::kNoValue;
  bool clip = false;  // to `bounds`; of a normalisation's gradients as well
  bool silu = false;
  Interval bounds;
  bool of_rows = false;  // a sum, of the rows of inputs[0] at inputs[1]
};

// Memory for one example that is not the model's: lives from step `first` to step `last`.
struct Buffer {
  Space space = Space::kArena;
  std::size_t bytes = 0;
  std::size_t first = 0;
  std::size_t last = 0;
  bool placed = false;
  std::size_t offset = 0;
};

inline constexpr std::size_t kForever = static_cast<std::size_t>(-1);

class Lowerer {
 public:
  Lowerer(std::shared_ptr<const graph::Graph> graph, const Goal& goal,
          const LoweringOptions& options)
      : graph_(*graph), goal_(goal), options_(options) {
    out_.graph = std::move(graph);
  }

  Result<LoweredProgram> Run();

 private:
  friend class PointMaker;  // lowering_points.cc

  static std::size_t Index(graph::ValueId id) { return static_cast<std::size_t>(id); }
  const graph::ValueType& Type(graph::ValueId id) const { return graph_.type(id); }
  std::size_t Size(graph::ValueId id) const { return graph::ElementCount(Type(id).shape); }
  graph::ValueId Root(graph::ValueId id) const { return roots_[Index(id)]; }
  bool ByExample(graph::ValueId id) const { return by_example_[Index(Root(id))]; }
  bool fast() const { return options_.kernels.complete(); }
  bool IsDense(graph::ValueId id) const { return ByExample(id) && Type(id).is_real(); }

  // lowering_select.cc: the nodes that are needed, whose values are one example's, and the values
  // that are only another shape of one.
  void SelectNodes();
  bool IsReshape(const graph::Node& node) const;
  void FindRoots();
  void FindByExample();
  void ReadKinksFromOutputs();

  // lowering_sums.cc: how each parameter's gradient is summed.
  void FindSums();
  void PlanSum(std::size_t parameter);
  bool PlanOuter(const graph::Node& node, std::size_t parameter);
  bool PlanPointConvolution(const graph::Node& node, std::size_t parameter);
  bool PlanSparse(const graph::Node& node, std::size_t parameter);
  graph::ValueId RepeatedRow(graph::ValueId g, std::size_t d);
  Method ChooseMethod(ParameterPlan& plan, bool ghost_possible) const;
  bool ContractionPays(const ParameterPlan& plan) const;
  void CountProducts(const ParameterPlan& plan);
  void EmitSums();
  void EmitTransposed(graph::ValueId image, Operand& out);
  bool IsReadTwice(graph::ValueId id) const;

  // lowering_fuse.cc: what goes into one step.
  void FindUsers();
  bool OnlyUserIs(graph::ValueId id, std::size_t& user) const;
  void TakeBiasesAlong();
  void TakeBiasAlong(Work& work);
  void TakeActivationAlong(Work& work);
  void TakeKinksAlong();
  void TakeFactorsAlong();
  void TakeRowsAlong();
  // The gradients, like the one given, of one normalisation, g being the gradient behind it. A part
  // that is not asked for is null; all are if there is no dx, which alone tells the input for sure.
  struct NormaliseGrads {
    Work* dx = nullptr;
    Work* dscale = nullptr;
    Work* dshift = nullptr;
  };
  NormaliseGrads FindNormaliseGrads(const Work& like, graph::ValueId g);
  NormaliseGrads FindReaders(const Work& kink);
  graph::ValueId ShiftBefore(const Work& kink, const Work& dx) const;
  void GrowChains();
  bool Joins(std::size_t work, int chain) const;

  // lowering_emit.cc: one step a work; lowering_layout.cc: those that only move numbers.
  void EmitSteps();
  void Emit(std::size_t work);
  bool EmitFast(Work& work);
  // The step that a node is, its operands left open; nothing if the kernels do not serve it.
  std::optional<Step> ProductStep(const Work& work) const;
  std::optional<Step> ConvolutionStep(const Work& work) const;
  std::optional<Step> SumStep(const graph::Node& node) const;
  std::optional<Step> TakeStep(const Work& work) const;
  bool EmitMatMul(Work& work);
  bool EmitConvolution(Work& work);
  void OrderWeights(const Work& work, Step& step);
  void SquareWeights(const Work& work, Step& step);
  void PackFilter(Step& step);
  void TakeEpilogue(const Work& work, Step& step);
  bool EmitPool(Work& work);
  bool EmitRows(Work& work);
  bool EmitSum(Work& work);
  bool EmitSumOfSums(Work& work);
  bool EmitLayout(Work& work);
  bool EmitTake(Work& work);
  bool EmitLargest(Work& work);
  bool EmitConcat(Work& work);
  bool EmitPad(Work& work);
  void EmitNaive(Work& work);
  // lowering_volume.cc: windows over three axes.
  Operand Unfolded(graph::ValueId x, const kernels::ConvolutionShape& volume, const Work& work);
  Operand Images(graph::ValueId g, const kernels::ConvolutionShape& volume, const Work& work);
  void EmitVolume(const Work& work, Step step, const kernels::ConvolutionShape& volume);
  bool EmitVolumePool(const Work& work, Step step);
  bool EmitNormalise(Work& work);
  bool EmitNormaliseGrad(std::size_t work);
  bool EmitChain(std::size_t last);
  bool EmitShared(std::size_t work);

  // lowering_memory.cc: operands, and places for buffers.
  Operand Read(graph::ValueId id);
  Operand Write(graph::ValueId id);
  Operand NewBuffer(std::size_t elements, Space space = Space::kArena);
  void Keep(const Operand& operand);
  void Push(Step step, const Work& work);
  void Push(Step step, bool by_example, bool forward);
  void PlaceInputs();
  Status PlaceBuffers();
  void TakeOver(const Step& step, std::size_t at);
  void Patch(Operand& operand) const;
  void PatchAll();
  void NoteLife(const Operand& operand, std::size_t step);
  void FindLives();

  const graph::Graph& graph_;
  const Goal& goal_;
  const LoweringOptions& options_;
  LoweredProgram out_;

  std::vector<Work> work_;
  std::vector<graph::ValueId> roots_;
  std::vector<bool> by_example_;                 // by root
  std::vector<bool> kept_;                       // by root: read after the steps
  std::vector<bool> is_gradient_;                // by root: of some parameter
  std::vector<std::vector<std::size_t>> users_;  // by root: works that read it
  std::vector<int> work_of_;                     // by value: the work that makes it, or -1
  std::vector<std::vector<std::size_t>> chains_;

  std::vector<Buffer> buffers_;
  std::vector<int> buffer_of_;  // by root
  std::vector<int> reals_of_;   // by root: constants already laid out, their element
  struct Statistics {
    const graph::Node* node = nullptr;   // the normalisation
    graph::ValueId x = graph::kNoValue;  // its input's root
    Operand operand;
  };
  std::vector<Statistics> statistics_;
  struct PendingSum {
    std::size_t parameter = 0;
    graph::ValueId gradient = graph::kNoValue;
    graph::ValueId other = graph::kNoValue;
    bool transposed_images = false;
  };
  std::vector<PendingSum> pending_;
  std::vector<Step> packs_;
};

// The product that a MatMul node is, for one example; nothing if it is not a plain batch.
struct Product {
  simd::GemmShape shape{};
  simd::GemmBatch batch{};
};
std::optional<Product> ProductOf(const graph::Shape& a, const graph::Shape& b,
                                 const graph::Shape& y, const graph::Attributes& attributes);

// [outer, n, inner], of which n goes. Nothing where there are other axes between those that go, of
// those of more than one element.
struct SumAxes {
  std::size_t outer = 1;
  std::size_t n = 1;
  std::size_t inner = 1;
};
std::optional<SumAxes> AxesOf(const graph::Shape& in, const graph::Shape& out);

// The elementwise operation that a node is; nothing for other nodes.
std::optional<simd::PointInstruction> PointOf(const graph::Node& node);

// What a Relu or Clip clips to, and where the derivative of one is 1; nothing for other nodes.
std::optional<Interval> ClippedTo(const graph::Node& node);
std::optional<Interval> KinkedAt(const graph::Node& node);

// Whether two nodes are of normalisations with the same rows and statistics, if of the same values.
bool SameRows(const graph::Node& a, const graph::Node& b);

// Whether it is convolved as images, its depth unfolded, and as which. Not where that would be more
// numbers than a tensor may have: padding can make many of few.
bool IsVolume(const kernels::ConvolutionShape& shape);
kernels::ConvolutionShape FlatConvolution(const kernels::ConvolutionShape& volume);

// From the shapes of x and y of a convolution, for one example.
kernels::ConvolutionShape ConvolutionOf(const graph::Shape& x, const graph::Shape& y,
                                        const graph::Window& window);

}  // namespace anchorhold::engine
