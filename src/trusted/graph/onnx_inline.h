// Nodes that stand for other nodes: calls of model-local functions (ONNX FunctionProto), as
// exporters write them under domains of their own, and If, whose condition must be known while
// importing. The body is imported in the node's place, as if it stood there: a function's with
// names of its own, in its own opset and with the call's attributes; a branch's with the names
// around it, too.
//
// A few bytes can call for exponentially many nodes. So nodes are counted as they are imported, as
// is what they hold within functions, where a file's bytes can be read many times.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "onnx.pb.h"
#include "shared/base/limits.h"
#include "trusted/graph/node_context.h"

namespace anchorhold::graph {

// What the importer does with the parts of a body.
class BodyImporter {
 public:
  // `place` is the node's place among the body's nodes, for messages.
  virtual Status ImportNode(const onnx::NodeProto& node, std::size_t place) = 0;
  // Gives a value its name. kInvalidInput if the name is taken.
  virtual Status Define(const std::string& name, Imported value) = 0;

 protected:
  ~BodyImporter() = default;
};

class Inliner {
 public:
  // Both must outlive the inliner.
  Inliner(ImportState& state, BodyImporter& importer) : state_(state), importer_(importer) {}

  // Indexes the model's functions and counts its nodes. `model` must outlive the inliner.
  // kUnsupported for functions that would redefine ONNX's own operators, kInvalidInput for two of
  // the same name.
  Status Open(const onnx::ModelProto& model);

  // Whether `node` is a call, an If, or another operator on graphs or sequences, which Run refuses.
  bool Takes(const onnx::NodeProto& node) const;

  // The node's outputs. kInvalidInput for a function that calls itself, kLimitExceeded for too many
  // nodes or too deep a nesting, kUnsupported or kPrivacyRefused for a condition that is not known;
  // else what is wrong with the body's nodes.
  Result<std::vector<Imported>> Run(const onnx::NodeProto& node);

 private:
  struct Function {
    const onnx::FunctionProto* proto = nullptr;
    int opset = 0;  // 0 if the function imports no default operator set
    std::vector<onnx::AttributeProto> defaults{};
    bool running = false;
  };
  using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  using Names = google::protobuf::RepeatedPtrField<std::string>;

  Status AddFunction(const onnx::FunctionProto& proto);
  Result<std::vector<Imported>> Call(Function& function, const onnx::NodeProto& node);
  Result<FunctionAttributes> BindAttributes(const Function& function, const onnx::NodeProto& node);
  Result<std::vector<Imported>> BindInputs(const Function& function, const onnx::NodeProto& node);
  Result<std::vector<Imported>> RunBody(const onnx::FunctionProto& function,
                                        std::vector<Imported> inputs, std::size_t outputs);
  Result<std::vector<Imported>> Branch(const onnx::NodeProto& node);
  Result<std::vector<Imported>> RunBranch(const onnx::GraphProto& graph, std::size_t outputs);
  Status AddConstants(const onnx::GraphProto& graph);
  Status ImportNodes(const Nodes& nodes);
  Result<Imported> Find(const std::string& name) const;
  Status Charge(const onnx::NodeProto& node);
  Status ChargeBytes(std::size_t bytes);

  ImportState& state_;
  BodyImporter& importer_;
  std::map<std::pair<std::string, std::string>, Function> functions_;  // by domain and name
  int depth_ = 0;
  int call_depth_ = 0;
  std::size_t nodes_left_ = limits::kGraphNodesMax;
  std::size_t bytes_left_ = 16 * limits::kMiB;  // of nodes within functions
};

}  // namespace anchorhold::graph
