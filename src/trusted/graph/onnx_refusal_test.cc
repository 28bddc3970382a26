// Models that must be refused, and what the refusal must say.
#include <gtest/gtest.h>

#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;
using testing::Text;

void ExpectRefused(const OnnxBuilder& builder, ErrorCode code,
                   const std::vector<std::string>& words) {
  const Result<Model> model = ImportOnnx(builder.Write());
  ASSERT_FALSE(model.ok()) << "accepted";
  EXPECT_EQ(ErrorCodeName(model.error().code()), ErrorCodeName(code)) << model.error().message();
  for (const std::string& word : words) {
    EXPECT_NE(model.error().message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << model.error().message();
  }
  EXPECT_EQ(model.error().message().find('\n'), std::string::npos);
}

void ExpectMixing(const OnnxBuilder& builder, const std::vector<std::string>& words = {}) {
  ExpectRefused(builder, ErrorCode::kPrivacyRefused, words);
}

// One node over "x".
OnnxBuilder Single(const std::string& op, const std::vector<onnx::AttributeProto>& attributes = {},
                   const std::vector<std::int64_t>& example = {4}) {
  OnnxBuilder b(example);
  b.Node(op, {"x"}, {"y"}, attributes).Output("y");
  return b;
}

// One node over "x" and the integers "i".
OnnxBuilder WithIntegers(const std::string& op, const std::vector<std::int64_t>& integers,
                         const std::vector<onnx::AttributeProto>& attributes = {},
                         const std::vector<std::int64_t>& example = {4}) {
  OnnxBuilder b(example);
  b.Integers("i", integers).Node(op, {"x", "i"}, {"y"}, attributes).Output("y");
  return b;
}

OnnxBuilder BatchNorm(const std::vector<std::string>& outputs,
                      const std::vector<onnx::AttributeProto>& attributes, int opset) {
  OnnxBuilder b({2}, opset);
  for (const char* name : {"scale", "bias", "mean", "var"}) b.Weight(name, {2}, {1, 1});
  b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, outputs, attributes);
  return b.Output("y");
}

TEST(Mixing, BatchNormalizationInTraining) {
  ExpectMixing(BatchNorm({"y"}, {Int("training_mode", 1)}, 17),
               {"node 'n0' (BatchNormalization", "training_mode=1", "statistics over the batch",
                "GroupNormalization", "training_mode=0"});
  ExpectMixing(BatchNorm({"y", "m", "v"}, {}, 13), {"statistics over the batch"});
}

TEST(Mixing, Reductions) {
  ExpectMixing(Single("ReduceMean", {Ints("axes", {0})}),
               {"node 'n0' (ReduceMean, opset 17)", "example axis"});
  ExpectMixing(Single("ReduceMean"), {"example axis"});
  ExpectMixing(WithIntegers("ReduceSum", {-2}), {"example axis"});
  ExpectMixing(Single("ReduceMax", {Ints("axes", {0, 1})}), {"reduces the example axis"});
  ExpectMixing(Single("ReduceL2"), {"reduces the example axis"});
}

TEST(Mixing, NormalisingAlongTheBatch) {
  ExpectMixing(Single("Softmax", {Int("axis", 0)}), {"(Softmax", "example axis"});
  ExpectMixing(Single("LogSoftmax", {Int("axis", -2)}), {"example axis"});
}

TEST(Mixing, ProductsOverExamples) {
  OnnxBuilder contract({4});
  contract.Weight("w", {4, 2}, std::vector<float>(8));
  contract.Node("Gemm", {"x", "w"}, {"y"}, {Int("transA", 1)}).Output("y");
  ExpectMixing(contract, {"(Gemm", "sums over the example axis"});

  OnnxBuilder gram({4});
  gram.Node("Gemm", {"x", "x"}, {"y"}, {Int("transB", 1)}).Output("y");
  ExpectMixing(gram, {"pairs every example with every other"});

  OnnxBuilder left({4});
  left.Weight("w", {2, 3}, std::vector<float>(6)).Node("MatMul", {"w", "x"}, {"y"}).Output("y");
  ExpectMixing(left, {"(MatMul", "sums over the example axis"});

  OnnxBuilder leading({2, 4});
  leading.Weight("w", {3, 4, 2}, std::vector<float>(24));
  leading.Node("MatMul", {"x", "w"}, {"y"}).Output("y");
  ExpectMixing(leading, {"place in the batch"});
}

TEST(Mixing, ReshapingExamplesIntoFeatures) {
  ExpectMixing(WithIntegers("Reshape", {-1, 8}), {"(Reshape", "different examples", "-1 or 0"});
  OnnxBuilder row({4});  // [1, 4 N] may be written, but not be computed with as features
  row.Integers("i", {1, -1}).Weight("w", {8, 2}, std::vector<float>(16));
  row.Node("Reshape", {"x", "i"}, {"r"}).Node("MatMul", {"r", "w"}, {"y"}).Output("y");
  ExpectMixing(row, {"(MatMul", "sums over the example axis"});
  ExpectMixing(WithIntegers("Reshape", {2, -1}), {"(Reshape", "examples"});
  ExpectMixing(WithIntegers("Reshape", {5, 4}), {"no axis for the batch"});
  ExpectMixing(Single("Flatten", {Int("axis", 0)}), {"(Flatten", "features of the batch axis"});
}

TEST(Mixing, TransposedExamplesAreNoFeatures) {
  OnnxBuilder b({4});
  b.Weight("w", {5, 2}, std::vector<float>(10));
  b.Node("Transpose", {"x"}, {"t"}).Node("MatMul", {"t", "w"}, {"y"}).Output("y");
  ExpectMixing(b, {"node 'n1' (MatMul", "sums over the example axis"});

  OnnxBuilder interleaved({4, 3});
  interleaved.Integers("i", {-1, 4, 3});
  interleaved.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  interleaved.Node("Reshape", {"t", "i"}, {"y"}).Output("y");
  ExpectMixing(interleaved, {"interleaves the examples"});

  OnnxBuilder rows({4, 3});
  rows.Integers("i", {-1, 3}).Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  rows.Node("Reshape", {"t", "i"}, {"y"}).Output("y");
  ExpectRefused(rows, ErrorCode::kUnsupported, {"4*example x 3", "rows of an example apart"});
}

TEST(Mixing, Broadcasting) {
  OnnxBuilder constant({30});
  constant.Weight("w", {40, 30}, std::vector<float>(1200));
  constant.Node("Add", {"x", "w"}, {"y"}).Output("y");
  ExpectMixing(constant, {"(Add", "40 numbers meets the example axis"});

  OnnxBuilder pairs({1});
  pairs.Integers("i", {-1}).Node("Reshape", {"x", "i"}, {"flat"});
  pairs.Node("Sub", {"x", "flat"}, {"y"}).Output("y");
  ExpectMixing(pairs, {"(Sub", "pairs every example with every other"});
}

TEST(Mixing, JoiningAndPickingExamples) {
  OnnxBuilder concat({4});
  concat.Node("Concat", {"x", "x"}, {"y"}, {Int("axis", 0)}).Output("y");
  ExpectMixing(concat, {"(Concat", "example axis"});
  ExpectMixing(WithIntegers("Gather", {0}), {"(Gather", "example axis"});
  OnnxBuilder slice({4});
  slice.Integers("s", {0}).Integers("e", {1}).Integers("a", {0});
  slice.Node("Slice", {"x", "s", "e", "a"}, {"y"}).Output("y");
  ExpectMixing(slice, {"(Slice", "example axis"});
  ExpectMixing(Single("Split", {Int("axis", 0)}), {"(Split", "along the example axis"});
  ExpectMixing(WithIntegers("TopK", {1}, {Int("axis", 0)}), {"(TopK", "sorts along"});
  ExpectMixing(Single("ArgMax"), {"(ArgMax", "searches along the example axis"});
  ExpectMixing(WithIntegers("CumSum", {0}), {"(CumSum", "sums along the example axis"});
}

TEST(Mixing, RepeatingAndPaddingExamples) {
  ExpectMixing(WithIntegers("Expand", {3, 4}), {"(Expand", "repeats the example axis"});
  ExpectMixing(WithIntegers("Tile", {2, 1}), {"(Tile", "repeats the example axis"});
  ExpectMixing(WithIntegers("Pad", {1, 0, 0, 0}), {"(Pad", "pads the example axis"});
}

TEST(Mixing, DroppingTheExampleAxis) {
  ExpectMixing(WithIntegers("Squeeze", {0}), {"(Squeeze", "cannot be dropped"});
  ExpectMixing(Single("Squeeze", {}, {1, 4}), {"name the axes"});
  OnnxBuilder einsum({4});
  einsum.Node("Einsum", {"x", "x"}, {"y"}, {Text("equation", "bi, bj -> ij")}).Output("y");
  ExpectMixing(einsum, {"(Einsum", "sums over the example axis"});
}

TEST(Mixing, TheBatchSizeAsANumber) {
  OnnxBuilder cast({4});
  cast.Node("Shape", {"x"}, {"s"}).Node("Cast", {"s"}, {"f"}, {Int("to", 1)}).Output("f");
  ExpectMixing(cast, {"node 'n1' (Cast", "batch's size"});

  OnnxBuilder divide({4});
  divide.Node("Shape", {"x"}, {"s"}).Node("Div", {"x", "s"}, {"y"}).Output("y");
  ExpectMixing(divide, {"(Div", "batch's size"});

  OnnxBuilder squared({4});
  squared.Node("Shape", {"x"}, {"s"}).Node("Mul", {"s", "s"}, {"q"});
  squared.Node("Reshape", {"x", "q"}, {"y"}).Output("y");
  ExpectMixing(squared, {"squared"});
}

TEST(Mixing, OutputsWithoutExamples) {
  OnnxBuilder b({4});
  b.Weight("w", {4}, {1, 2, 3, 4}).Node("Exp", {"w"}, {"y"}).Output("y");
  ExpectMixing(b, {"output 'y'", "no example axis"});
}

TEST(Unsupported, NamesOperatorNodeAndOpset) {
  ExpectRefused(Single("NonMaxSuppression"), ErrorCode::kUnsupported,
                {"node 'n0'", "NonMaxSuppression", "opset 17"});
  OnnxBuilder custom({4});
  custom.Node("Relu", {"x"}, {"y"}).Output("y");
  custom.proto().mutable_graph()->mutable_node(0)->set_domain("com.example");
  ExpectRefused(custom, ErrorCode::kUnsupported, {"com.example"});
}

TEST(Unsupported, KnownOperatorsAlongFeatures) {
  ExpectRefused(Single("Unique", {Int("axis", 1)}), ErrorCode::kUnsupported,
                {"(Unique", "not supported"});
  ExpectRefused(WithIntegers("Compress", {1, 0}, {Int("axis", 1)}), ErrorCode::kUnsupported,
                {"not supported"});
}

TEST(Unsupported, Opsets) {
  for (const int opset : {5, 25}) {
    OnnxBuilder b({4}, opset);
    b.Node("Relu", {"x"}, {"y"}).Output("y");
    ExpectRefused(b, ErrorCode::kUnsupported, {"opset " + std::to_string(opset), "6 to 24"});
  }
  OnnxBuilder none({4});
  none.Node("Relu", {"x"}, {"y"}).Output("y");
  none.proto().clear_opset_import();
  ExpectRefused(none, ErrorCode::kInvalidInput, {"opset"});
}

TEST(Unsupported, AttributesThatNobodyReads) {
  ExpectRefused(Single("Relu", {Int("mystery", 1)}), ErrorCode::kUnsupported, {"'mystery'"});
}

TEST(Unsupported, PartsOfTheFormat) {
  const auto relu = [] { return Single("Relu"); };
  OnnxBuilder training = relu();
  training.proto().add_training_info();
  ExpectRefused(training, ErrorCode::kUnsupported, {"training_info"});
  OnnxBuilder function = relu();
  function.proto().add_functions()->set_name("f");
  ExpectRefused(function, ErrorCode::kUnsupported, {"function 'f'", "domain"});
  OnnxBuilder sparse = relu();
  sparse.proto().mutable_graph()->add_sparse_initializer();
  ExpectRefused(sparse, ErrorCode::kUnsupported, {"sparse"});
  OnnxBuilder external = relu();
  onnx::TensorProto* tensor = external.proto().mutable_graph()->add_initializer();
  *tensor = testing::FloatTensor("w", {1}, {1});
  tensor->set_data_location(onnx::TensorProto::EXTERNAL);
  ExpectRefused(external, ErrorCode::kUnsupported, {"'w'", "another file"});
  OnnxBuilder batches({4}, 17, 2);
  batches.Node("Relu", {"x"}, {"y"}).Output("y").Input("second", {4}, 3);
  ExpectRefused(batches, ErrorCode::kUnsupported, {"'second'", "batch size"});
  OnnxBuilder texts = relu();
  texts.proto().mutable_graph()->add_initializer()->set_data_type(onnx::TensorProto::STRING);
  ExpectRefused(texts, ErrorCode::kUnsupported, {"element type 8"});
}

TEST(Unsupported, AWeightThatIsAlsoAConstant) {
  OnnxBuilder b({1});
  b.Weight("w", {1}, {2}).Node("Mul", {"x", "w"}, {"m"}).Node("Clip", {"m", "w"}, {"y"});
  b.Output("y");
  ExpectRefused(b, ErrorCode::kUnsupported, {"'w'", "both as a weight and as a constant"});
}

TEST(Inconsistent, WiringOfTheGraph) {
  OnnxBuilder before({4});
  before.Node("Relu", {"later"}, {"y"}).Node("Relu", {"x"}, {"later"}).Output("y");
  ExpectRefused(before, ErrorCode::kInvalidInput, {"node 'n0'", "'later'", "earlier node"});
  OnnxBuilder cycle({4});
  cycle.Node("Add", {"x", "b"}, {"a"}).Node("Relu", {"a"}, {"b"}).Output("b");
  ExpectRefused(cycle, ErrorCode::kInvalidInput, {"'b'"});
  OnnxBuilder twice({4});
  twice.Node("Relu", {"x"}, {"y"}).Node("Neg", {"x"}, {"y"}).Output("y");
  ExpectRefused(twice, ErrorCode::kInvalidInput, {"node 'n1'", "'y'", "two values"});
  OnnxBuilder names({4});
  names.Weight("w", {1}, {1}).Weight("w", {1}, {1}).Node("Relu", {"x"}, {"y"}).Output("y");
  ExpectRefused(names, ErrorCode::kInvalidInput, {"'w'", "two values"});
  OnnxBuilder absent({4});
  absent.Node("Relu", {"x"}, {"y"}).Output("z");
  ExpectRefused(absent, ErrorCode::kInvalidInput, {"'z'"});
  OnnxBuilder none({4});
  none.Node("Relu", {"x"}, {"y"});
  ExpectRefused(none, ErrorCode::kInvalidInput, {"no output"});
  OnnxBuilder second({4});
  second.Node("Tanh", {"x"}, {"d", "more"}).Node("Relu", {"more"}, {"y"}).Output("y");
  ExpectRefused(second, ErrorCode::kUnsupported, {"'more'", "output 1 of a Tanh"});
  ExpectRefused(Single("Add"), ErrorCode::kInvalidInput, {"1 inputs"});
}

TEST(Inconsistent, ShapesOfEachOperator) {
  OnnxBuilder gemm({4});
  gemm.Weight("w", {3, 2}, std::vector<float>(6)).Node("Gemm", {"x", "w"}, {"y"}).Output("y");
  ExpectRefused(gemm, ErrorCode::kInvalidInput, {"node 'n0' (Gemm", "inner sizes are 4 and 3"});
  OnnxBuilder bias({4});
  bias.Weight("w", {4, 1}, std::vector<float>(4)).Weight("b", {3}, {1, 2, 3});
  bias.Node("Gemm", {"x", "w", "b"}, {"y"}).Output("y");
  ExpectRefused(bias, ErrorCode::kInvalidInput, {"does not broadcast"});
  OnnxBuilder add({4});
  add.Weight("w", {3}, {1, 2, 3}).Node("Add", {"x", "w"}, {"y"}).Output("y");
  ExpectRefused(add, ErrorCode::kInvalidInput, {"(Add", "4 and 3"});
  ExpectRefused(WithIntegers("Reshape", {0, 3}), ErrorCode::kInvalidInput, {"(Reshape"});
  ExpectRefused(WithIntegers("Reshape", {-1, -1}), ErrorCode::kInvalidInput, {"-1 twice"});
  ExpectRefused(WithIntegers("Squeeze", {1}), ErrorCode::kInvalidInput, {"has not size 1"});
  ExpectRefused(Single("Transpose", {Ints("perm", {0, 0})}), ErrorCode::kInvalidInput, {"perm"});
  ExpectRefused(Single("Softmax", {Int("axis", 2)}), ErrorCode::kInvalidInput, {"axis 2"});
  ExpectRefused(Single("LeakyRelu", {Int("alpha", 2)}), ErrorCode::kInvalidInput, {"'alpha'"});
  OnnxBuilder concat({4, 2});
  concat.Weight("w", {4, 3}, std::vector<float>(12));
  concat.Node("Concat", {"x", "w"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(concat, ErrorCode::kInvalidInput, {"cannot join"});
}

TEST(Inconsistent, TensorsOfTheFile) {
  OnnxBuilder shorter({4});
  shorter.Weight("w", {4}, {1, 2, 3}).Node("Add", {"x", "w"}, {"y"}).Output("y");
  ExpectRefused(shorter, ErrorCode::kInvalidInput, {"'w'", "12 bytes", "needs 16"});
  OnnxBuilder huge({4});
  huge.Weight("w", {std::int64_t{1} << 40, std::int64_t{1} << 40}, {1});
  huge.Node("Add", {"x", "w"}, {"y"}).Output("y");
  ExpectRefused(huge, ErrorCode::kLimitExceeded, {"'w'"});
  OnnxBuilder negative({4});
  negative.Weight("w", {-4}, {1}).Node("Add", {"x", "w"}, {"y"}).Output("y");
  ExpectRefused(negative, ErrorCode::kInvalidInput, {"'w'", "size -4"});
  OnnxBuilder grown({4});  // a product within 64 bits, over the limit
  grown.Weight("a", {100'000, 1}, std::vector<float>(100'000));
  grown.Weight("b", {1, 100'000}, std::vector<float>(100'000));
  grown.Node("Mul", {"a", "b"}, {"c"}).Node("Add", {"x", "c"}, {"y"}).Output("y");
  ExpectRefused(grown, ErrorCode::kLimitExceeded, {"node 'n0' (Mul"});
}

TEST(Inconsistent, DeclaredInput) {
  OnnxBuilder symbolic({4});
  symbolic.Node("Relu", {"x"}, {"y"}).Output("y");
  symbolic.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("W");
  ExpectRefused(symbolic, ErrorCode::kUnsupported, {"axis 1", "no fixed size"});
  OnnxBuilder integers({4});
  integers.Node("Tanh", {"x"}, {"y"}).Output("y");
  integers.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->set_elem_type(onnx::TensorProto::INT64);
  ExpectRefused(integers, ErrorCode::kUnsupported, {"real numbers", "int64"});
  OnnxBuilder huge({std::int64_t{1} << 62, 4});
  huge.Node("Relu", {"x"}, {"y"}).Output("y");
  ExpectRefused(huge, ErrorCode::kLimitExceeded, {"input 'x'"});
}

}  // namespace
}  // namespace anchorhold::graph
