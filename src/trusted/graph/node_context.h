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

// A float32 initializer. It becomes a parameter when a differentiable input first reads it.
struct Initializer {
  std::string name;
  Shape shape;
  ConstantData data;
  ValueId parameter = kNoValue;
  bool read_as_constant = false;  // a rule used its numbers while importing
};

// What a name of the ONNX graph stands for.
struct Imported {
  ValueId tensor = kNoValue;
  std::optional<Integers> integers;
  int initializer = -1;     // index into ImportState::initializers
  std::string unavailable;  // why the value cannot be read, if it cannot
};

struct ImportState {
  GraphBuilder builder;
  std::vector<Initializer> initializers;
  std::map<std::string, Imported, std::less<>> names;
  int opset = 0;
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
  std::int64_t declared_batch() const { return state_.declared_batch; }
  std::string_view op() const { return node_.op_type(); }

  // Inputs. Optional ones may be absent: beyond the count, or with an empty name.
  std::size_t input_count() const { return static_cast<std::size_t>(node_.input_size()); }
  std::size_t output_count() const;  // the outputs that have a name, up to the last
  bool Has(std::size_t i) const;
  bool IsIntegers(std::size_t i) const;
  // A float tensor; an initializer becomes a parameter. kPrivacyRefused for integers that depend on
  // the batch's size, kInvalidInput for other integers.
  Result<ValueId> Tensor(std::size_t i);
  Result<Integers> IntegersOf(std::size_t i) const;
  // Integers known now, without the batch's size. kPrivacyRefused if they depend on it.
  Result<std::vector<std::int64_t>> ConstantIntegers(std::size_t i) const;
  struct Floats {
    Shape shape;
    ConstantData data;
  };
  // Numbers known now: an initializer or a constant. kUnsupported otherwise.
  Result<Floats> ConstantFloats(std::size_t i);

  // Attributes, with the default for absent ones. kInvalidInput for another attribute type.
  Result<std::int64_t> Int(std::string_view name, std::int64_t absent);
  Result<float> Float(std::string_view name, float absent);
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

  // The first output.
  void SetOutput(ValueId tensor) { output_.tensor = tensor; }
  void SetOutput(Integers integers) { output_.integers = std::move(integers); }
  const Imported& output() const { return output_; }

 private:
  Result<const Imported*> Input(std::size_t i) const;

  ImportState& state_;
  const onnx::NodeProto& node_;
  std::map<std::string, const onnx::AttributeProto*, std::less<>> attributes_;
  std::set<std::string, std::less<>> read_;
  Imported output_;
};

}  // namespace anchorhold::graph
