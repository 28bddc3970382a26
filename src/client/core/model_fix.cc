#include "client/core/model_fix.h"

#include <algorithm>
#include <set>
#include <utility>

#include "client/core/number.h"
#include "onnx.pb.h"
#include "trusted/graph/names.h"
#include "trusted/graph/onnx_reader.h"

namespace anchorhold::client {
namespace {

constexpr const char* kBatchNormalization = "BatchNormalization";
// One number normalises to 0, and of two only the order is left.
constexpr std::uint64_t kDegenerateSize = 2;
constexpr int kOpsetNumpyBroadcast = 7;  // before, Mul and Add broadcast by attributes

// The largest divisor of `channels` that is at most `most`.
std::int64_t LargestDivisor(std::int64_t channels, std::int64_t most) {
  std::int64_t groups = std::min(channels, most);
  while (channels % groups != 0) --groups;
  return groups;
}

onnx::AttributeProto Integer(const char* name, std::int64_t value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
  return attribute;
}

std::string NodeName(const onnx::GraphProto& graph, int index) {
  const std::string& name = graph.node(index).name();
  return name.empty() ? "#" + std::to_string(index) : name;
}

// Who reads a value: nodes (all their attributes' graphs aside, which the importer refuses) and the
// model's outputs.
std::set<std::string> ReadNames(const onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& node : graph.node()) names.insert(node.input().begin(), node.input().end());
  for (const auto& output : graph.output()) names.insert(output.name());
  return names;
}

std::set<std::string> AllNames(const onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& tensor : graph.initializer()) names.insert(tensor.name());
  for (const auto& input : graph.input()) names.insert(input.name());
  for (const auto& node : graph.node()) {
    names.insert(node.name());
    names.insert(node.output().begin(), node.output().end());
  }
  return names;
}

// One pass over a graph.
class Rewriter {
 public:
  Rewriter(const onnx::GraphProto& graph, int opset)
      : graph_(graph), opset_(opset), names_(AllNames(graph)), read_(ReadNames(graph)) {}

  // What stands for node `index`, a BatchNormalization, with this many groups.
  Status Rewrite(int index, std::int64_t groups);
  // The channels of that node, from the shape of its scale.
  Result<std::int64_t> Channels(int index) const;
  void Keep(const onnx::NodeProto& node) { *nodes_.Add() = node; }

  google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes() { return nodes_; }
  // The nodes of the new graph that divide channels into groups.
  const std::vector<std::size_t>& groupings() const { return groupings_; }

 private:
  const onnx::TensorProto* Find(std::string name) const;
  std::string Unique(const std::string& base);
  onnx::NodeProto* Add(const std::string& op, const std::vector<std::string>& inputs,
                       const std::string& output);
  std::string Constant(const std::string& base, onnx::TensorProto value);
  std::string Sizes(const std::string& base, const std::vector<std::int64_t>& sizes);
  std::string Numbers(const std::string& base, std::int32_t type, std::int64_t count, bool one);
  std::string PerChannel(const std::string& op, const std::string& base, const std::string& x,
                         const std::string& numbers);

  const onnx::GraphProto& graph_;
  int opset_;
  std::set<std::string> names_;
  std::set<std::string> read_;
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes_;
  std::vector<std::size_t> groupings_;
};

// The tensor that a name stands for: an initializer or a Constant, perhaps through Identity, by
// which exporters share one tensor among several names.
const onnx::TensorProto* Rewriter::Find(std::string name) const {
  for (int steps = 0; steps < 8; ++steps) {
    for (const auto& tensor : graph_.initializer()) {
      if (tensor.name() == name) return &tensor;
    }
    const onnx::NodeProto* producer = nullptr;
    for (const auto& node : graph_.node()) {
      if (node.output_size() == 1 && node.output(0) == name) producer = &node;
    }
    if (producer == nullptr) return nullptr;
    if (producer->op_type() == "Constant" && producer->attribute_size() == 1 &&
        producer->attribute(0).has_t()) {
      return &producer->attribute(0).t();
    }
    if (producer->op_type() != "Identity" || producer->input_size() != 1) return nullptr;
    name = producer->input(0);
  }
  return nullptr;
}

Result<std::int64_t> Rewriter::Channels(int index) const {
  const onnx::NodeProto& node = graph_.node(index);
  if (node.input_size() != 5 || node.output_size() < 1) {
    return InvalidInput("a BatchNormalization has 5 inputs and an output");
  }
  const onnx::TensorProto* scale = Find(node.input(1));
  if (scale == nullptr || scale->dims_size() != 1 || scale->dims(0) < 1) {
    return Unsupported("its scale " + graph::Quoted(node.input(1)) +
                       " is no initializer of one axis, so the number of channels is not known; "
                       "store it as one");
  }
  for (const auto& attribute : node.attribute()) {
    if (attribute.name() == "spatial" && attribute.i() == 0) {
      return Unsupported("spatial=0, statistics for each position by itself, is not supported");
    }
  }
  for (int i = 1; i < node.output_size(); ++i) {
    if (!node.output(i).empty() && read_.count(node.output(i)) != 0) {
      return Unsupported("its statistics " + graph::Quoted(node.output(i)) +
                         " are read; a GroupNormalization has none");
    }
  }
  return scale->dims(0);
}

std::string Rewriter::Unique(const std::string& base) {
  std::string name = base;
  for (int i = 2; !names_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
  return name;
}

onnx::NodeProto* Rewriter::Add(const std::string& op, const std::vector<std::string>& inputs,
                               const std::string& output) {
  onnx::NodeProto* node = nodes_.Add();
  node->set_op_type(op);
  node->set_name(Unique(output + "/" + op));
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

// Numbers of a Constant are not trained, as those of an initializer would be.
std::string Rewriter::Constant(const std::string& base, onnx::TensorProto value) {
  const std::string name = Unique(base);
  onnx::AttributeProto* attribute = Add("Constant", {}, name)->add_attribute();
  attribute->set_name("value");
  attribute->set_type(onnx::AttributeProto::TENSOR);
  *attribute->mutable_t() = std::move(value);
  return name;
}

std::string Rewriter::Sizes(const std::string& base, const std::vector<std::int64_t>& sizes) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(sizes.size()));
  for (const std::int64_t size : sizes) tensor.add_int64_data(size);
  return Constant(base, std::move(tensor));
}

// `count` ones or zeros of the model's own real type.
std::string Rewriter::Numbers(const std::string& base, std::int32_t type, std::int64_t count,
                              bool one) {
  constexpr std::int32_t kHalfOne = 0x3c00;
  constexpr std::int32_t kBFloatOne = 0x3f80;
  onnx::TensorProto tensor;
  tensor.set_data_type(type);
  tensor.add_dims(count);
  for (std::int64_t i = 0; i < count; ++i) {
    if (type == onnx::TensorProto::FLOAT16) {
      tensor.add_int32_data(one ? kHalfOne : 0);
    } else if (type == onnx::TensorProto::BFLOAT16) {
      tensor.add_int32_data(one ? kBFloatOne : 0);
    } else if (type == onnx::TensorProto::DOUBLE) {
      tensor.add_double_data(one ? 1 : 0);
    } else {
      tensor.add_float_data(one ? 1 : 0);
    }
  }
  return Constant(base, std::move(tensor));
}

// x [N, C, L] and one number for each channel.
std::string Rewriter::PerChannel(const std::string& op, const std::string& base,
                                 const std::string& x, const std::string& numbers) {
  const std::string output = Unique(base + "/" + op);
  if (opset_ >= kOpsetNumpyBroadcast) {
    const std::string column = Unique(base + "/column");
    Add("Reshape", {numbers, Sizes(base + "/column_shape", {-1, 1})}, column);
    Add(op, {x, column}, output);
    return output;
  }
  onnx::NodeProto* node = Add(op, {x, numbers}, output);
  *node->add_attribute() = Integer("broadcast", 1);
  *node->add_attribute() = Integer("axis", 1);
  return output;
}

Status Rewriter::Rewrite(int index, std::int64_t groups) {
  const onnx::NodeProto& node = graph_.node(index);
  AH_ASSIGN_OR_RETURN(const std::int64_t channels, Channels(index));
  const std::int32_t type = Find(node.input(1))->data_type();
  const std::string base = Unique(node.output(0) + "/GroupNormalization");
  const std::string& x = node.input(0);
  const std::string shape = Unique(base + "/shape");
  const std::string grouped = Unique(base + "/grouped");
  const std::string normal = Unique(base + "/normal");
  const std::string flat = Unique(base + "/flat");
  Add("Shape", {x}, shape);
  Add("Reshape", {x, Sizes(base + "/group_shape", {0, groups, -1})}, grouped);
  groupings_.push_back(static_cast<std::size_t>(nodes_.size() - 1));
  const std::string ones = Numbers(base + "/ones", type, groups, true);
  const std::string zeros = Numbers(base + "/zeros", type, groups, false);
  onnx::NodeProto* normalise = Add("InstanceNormalization", {grouped, ones, zeros}, normal);
  for (const auto& attribute : node.attribute()) {
    if (attribute.name() == "epsilon") *normalise->add_attribute() = attribute;
  }
  Add("Reshape", {normal, Sizes(base + "/flat_shape", {0, channels, -1})}, flat);
  const std::string scaled = PerChannel("Mul", base, flat, node.input(1));
  const std::string shifted = PerChannel("Add", base, scaled, node.input(2));
  Add("Reshape", {shifted, shape}, node.output(0));
  return Ok();
}

// Removes the initializers of `candidates` that nothing reads, with their declarations as inputs.
std::vector<std::string> DropUnread(onnx::GraphProto& graph,
                                    const std::set<std::string>& candidates) {
  const std::set<std::string> read = ReadNames(graph);
  std::vector<std::string> dropped;
  const auto unread = [&](const auto& named) {
    return candidates.count(named.name()) != 0 && read.count(named.name()) == 0;
  };
  for (const auto& tensor : graph.initializer()) {
    if (unread(tensor)) dropped.push_back(tensor.name());
  }
  auto& tensors = *graph.mutable_initializer();
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(), unread), tensors.end());
  auto& inputs = *graph.mutable_input();
  inputs.erase(std::remove_if(inputs.begin(), inputs.end(), unread), inputs.end());
  return dropped;
}

struct Draft {
  FixedModel model;
  std::vector<std::size_t> groupings;  // by rewritten node: the new node that makes the groups
};

// The model rewritten with groups[i] groups in its i-th BatchNormalization; where `groups` ends, as
// many as `groups_max` allows.
Result<Draft> MakeDraft(onnx::ModelProto model, int opset, std::int64_t groups_max,
                        const std::vector<std::int64_t>& groups) {
  Draft draft;
  onnx::GraphProto& proto = *model.mutable_graph();
  Rewriter rewriter(proto, opset);
  std::set<std::string> statistics;
  for (int i = 0; i < proto.node_size(); ++i) {
    const onnx::NodeProto& node = proto.node(i);
    if (node.op_type() != kBatchNormalization || !node.domain().empty()) {
      rewriter.Keep(node);
      continue;
    }
    const std::string where = "node " + graph::Quoted(NodeName(proto, i));
    const Result<std::int64_t> channels = rewriter.Channels(i);
    if (!channels.ok()) return channels.error().At(where);
    const std::size_t at = draft.model.rewritten.size();
    const std::int64_t count =
        at < groups.size() ? groups[at] : LargestDivisor(*channels, groups_max);
    AH_RETURN_IF_ERROR(rewriter.Rewrite(i, count));
    draft.model.rewritten.push_back({NodeName(proto, i), *channels, count});
    statistics.insert({node.input(3), node.input(4)});
  }
  draft.groupings = rewriter.groupings();
  proto.mutable_node()->Swap(&rewriter.nodes());
  draft.model.dropped = DropUnread(proto, statistics);
  draft.model.onnx = CopyBytes(AsBytes(model.SerializeAsString()));
  return draft;
}

// How many numbers a group has, from the type of the value [N, G, numbers] as the checker prints
// it; 0 if that value was not reached.
std::uint64_t GroupSize(const std::string& type) {
  constexpr std::string_view kBetween = " x ";
  const std::size_t end = type.rfind(' ');
  const std::size_t begin = type.rfind(kBetween);
  if (end == std::string::npos || begin == std::string::npos || begin > end) return 0;
  const std::size_t number = begin + kBetween.size();
  const Result<std::uint64_t> size =
      ParseCount(std::string_view(type).substr(number, end - number));
  return size.ok() ? *size : 0;
}

}  // namespace

Result<FixedModel> FixBatchNormalization(ByteSpan onnx, std::int64_t groups_max,
                                         const graph::ImportOptions& options) {
  AH_CHECK(groups_max >= 1);
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<onnx::ModelProto> model, graph::ReadOnnx(onnx));
  AH_ASSIGN_OR_RETURN(const int opset, graph::DefaultOpset(*model));
  AH_ASSIGN_OR_RETURN(Draft draft, MakeDraft(*model, opset, groups_max, {}));
  if (draft.model.rewritten.empty()) return FixedModel{CopyBytes(onnx), {}, {}};
  graph::CheckReport report = graph::CheckOnnx(draft.model.onnx, options);
  std::vector<std::int64_t> groups;
  for (const RewrittenNode& node : draft.model.rewritten) groups.push_back(node.groups);
  bool changed = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::size_t node = draft.groupings[i];  // verdicts are in the nodes' order
    if (node >= report.nodes.size()) continue;
    const std::uint64_t size = GroupSize(report.nodes[node].output);
    if (size == 0 || size > kDegenerateSize) continue;
    const std::int64_t channels = draft.model.rewritten[i].channels;
    const std::int64_t most = std::max<std::int64_t>(1, channels / kGroupSizeMin);
    groups[i] = LargestDivisor(channels, std::min(most, groups_max));
    changed = true;
  }
  if (changed) {
    AH_ASSIGN_OR_RETURN(draft, MakeDraft(*model, opset, groups_max, groups));
    report = graph::CheckOnnx(draft.model.onnx, options);
  }
  if (!report.status.ok()) {
    return report.status.error().At("without BatchNormalization the model is still refused");
  }
  return std::move(draft.model);
}

}  // namespace anchorhold::client
