// What an operator's rule sees of the node it imports: inputs, attributes, the graph to add to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/integers.h"

namespace anchorhold::graph {

// A real initializer. It becomes a parameter when a differentiable input first reads it.
struct Initializer {
  std::string name;
  Shape shape;
  ConstantData data;
  ElementType element = ElementType::kFloat32;
  ValueId parameter = kNoValue;
  bool missing = false;           // declared without numbers
  bool read_as_constant = false;  // a rule used its numbers while importing
};

// What a name of the ONNX graph stands for.
struct Imported {
  ValueId tensor = kNoValue;
  std::optional<Integers> integers;
  int initializer = -1;               // index into ImportState::initializers
  const KnownInput* known = nullptr;  // the numbers of an input that are known while importing
  std::string unavailable;            // why the value cannot be read, if it cannot
  bool absent = false;                // an optional input of a function that its caller leaves out
  bool empty = false;                 // a list of no reals: unavailable, and may be asked for
};

// The attributes that a call gives to a model-local function, or the function's defaults, by name.
using FunctionAttributes = std::map<std::string, const onnx::AttributeProto*, std::less<>>;
// The attribute itself, or what the call gives where it refers to the function's; nullptr where the
// call gives none, which means that there is no such attribute.
Result<const onnx::AttributeProto*> ResolveAttribute(const FunctionAttributes* of_call,
                                                     const onnx::AttributeProto& attribute);

// A running statistic that changes from step to step.
struct TrackedStatistic {
  int initializer = -1;
  ValueId input = kNoValue;
  ValueId updated = kNoValue;
};

struct ImportState {
  GraphBuilder builder;
  std::vector<Initializer> initializers;
  std::map<std::string, Imported, std::less<>> names;
  int opset = 0;
  const ImportOptions* options = nullptr;
  std::size_t input_count = 0;
  std::size_t copied = 0;  // numbers in initializers that Identity nodes copy
  std::vector<TrackedStatistic> statistics{};
  const FunctionAttributes* function_attributes = nullptr;  // within a model-local function
  // The batch size that the model's input declares as a number, 0 if it is symbolic.
  std::int64_t declared_batch = 0;
};

class NodeContext {
 public:
  NodeContext(ImportState& state, const onnx::NodeProto& node) : state_(state), node_(node) {}

  // Indexes attributes and checks that each input names an earlier value.
  Status Open();
  // kUnsupported if the node has attributes that its rule did not read: they could change meaning.
  Status Close() const;

  int opset() const { return state_.opset; }
  // Whether examples are typed; without, no axis is special and nothing is refused for privacy.
  bool has_examples() const { return state_.options->examples; }
  std::int64_t declared_batch() const { return state_.declared_batch; }
  std::string_view op() const { return node_.op_type(); }

  // Inputs. Optional ones may be absent: beyond the count, or with an empty name.
  std::size_t input_count() const { return static_cast<std::size_t>(node_.input_size()); }
  std::size_t output_count() const;  // the outputs that have a name, up to the last
  bool Has(std::size_t i) const;
  bool IsIntegers(std::size_t i) const;
  // Whether input i is a list without numbers, which some operators read as an absent one.
  bool IsEmpty(std::size_t i) const;
  // A value of the graph: an initializer becomes a parameter, shape integers become a constant.
  // kPrivacyRefused for integers that depend on the batch's size.
  Result<ValueId> Tensor(std::size_t i);
  // The same, for an input that must not be trained, running statistics for example: an initializer
  // becomes a constant.
  Result<ValueId> ConstantTensor(std::size_t i);
  // The shape of input i if it is a real initializer, else nullptr. Does not count as reading it.
  const Shape* InitializerShape(std::size_t i) const;
  // A running statistic: a constant; or, where statistics are tracked and it is an initializer,
  // an input of the graph, for which TrackStatistic tells what it becomes.
  Result<ValueId> StatisticInput(std::size_t i);
  Status TrackStatistic(ValueId statistic, ValueId updated);
  // Whether nodes that can train do.
  bool trains() const { return !state_.options->inference; }
  // Integers or truth values that are known while importing: of rank 0 or 1 and at most
  // kIntegersMax.
  Result<Integers> IntegersOf(std::size_t i) const;
  // Those known without the batch's size. kPrivacyRefused if they depend on it.
  Result<std::vector<std::int64_t>> ConstantIntegers(std::size_t i) const;
  // The same, one number: of rank 0, or a list of one.
  Result<std::int64_t> ConstantInteger(std::size_t i) const;
  struct Floats {
    Shape shape;
    std::shared_ptr<const std::vector<float>> data;
  };
  struct Numbers {
    Shape shape;
    ElementType element = ElementType::kFloat32;
    ConstantData data;
    bool reals() const { return IsReal(element); }
  };
  // Numbers of any type known while importing: an initializer, a constant, shape integers or a
  // known input. kUnsupported otherwise; kPrivacyRefused if they depend on the batch's size.
  Result<Numbers> ConstantNumbers(std::size_t i);
  // Real numbers known while importing: an initializer, a constant or a known input. kUnsupported
  // otherwise.
  Result<Floats> ConstantFloats(std::size_t i);

  // Attributes, with the default for absent ones. kInvalidInput for another attribute type.
  Result<std::int64_t> Int(std::string_view name, std::int64_t absent);
  Result<float> Float(std::string_view name, float absent);
  Result<std::vector<float>> Floats32(std::string_view name);
  Result<std::string> Text(std::string_view name, std::string_view absent);
  Result<std::vector<std::string>> Texts(std::string_view name);
  Result<std::vector<std::int64_t>> Ints(std::string_view name);
  const onnx::AttributeProto* Attribute(std::string_view name);  // or nullptr
  void IgnoreAttribute(std::string_view name) { Attribute(name); }
  void IgnoreAttributes();
  bool HasAttribute(std::string_view name) const { return attributes_.count(name) != 0; }

  ValueType Type(ValueId id) const { return state_.builder.type(id); }
  GraphBuilder& builder() { return state_.builder; }
  Result<ValueId> Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                       Attributes attributes = {}) {
    return state_.builder.Emit(primitive, std::move(inputs), std::move(attributes));
  }

  // The outputs; a rule sets at least the first. Those that are not set cannot be read.
  void SetOutput(ValueId tensor) { SetOutput(0, tensor); }
  void SetOutput(Integers integers) { SetOutput(0, std::move(integers)); }
  void SetOutput(std::size_t i, ValueId tensor);
  void SetOutput(std::size_t i, Integers integers);
  void SetEmptyOutput();  // output 0 is a list of no reals
  // Output 0 is input i itself, whatever it is: an initializer stays one, and is read as what its
  // readers need.
  Status PassOn(std::size_t i);
  // Whether anybody may read output i.
  bool WantsOutput(std::size_t i) const { return i < output_count() && !OutputName(i).empty(); }
  const std::string& OutputName(std::size_t i) const { return node_.output(static_cast<int>(i)); }
  const std::vector<Imported>& outputs() const { return outputs_; }

 private:
  Result<const Imported*> Input(std::size_t i) const;

  ImportState& state_;
  const onnx::NodeProto& node_;
  std::map<std::string, const onnx::AttributeProto*, std::less<>> attributes_;
  std::set<std::string, std::less<>> read_;
  std::vector<Imported> outputs_;
};

}  // namespace anchorhold::graph
