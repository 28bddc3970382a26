// Model-local functions and If: what they mean, and what is refused.
#include <gtest/gtest.h>

#include <chrono>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

constexpr const char* kDomain = "pkg.layers";
using Names = std::vector<std::string>;
using Attributes = std::vector<onnx::AttributeProto>;

void SetNode(onnx::NodeProto& node, const std::string& op, const Names& inputs,
             const Names& outputs, const Attributes& attributes, const std::string& domain) {
  node.set_op_type(op);
  node.set_domain(domain);
  for (const std::string& name : inputs) node.add_input(name);
  for (const std::string& name : outputs) node.add_output(name);
  for (const onnx::AttributeProto& attribute : attributes) *node.add_attribute() = attribute;
}

// A function under construction.
class Function {
 public:
  Function(OnnxBuilder& b, const std::string& name, const Names& inputs, const Names& outputs,
           int opset = 17)
      : proto_(*b.proto().add_functions()) {
    proto_.set_name(name);
    proto_.set_domain(kDomain);
    for (const std::string& input : inputs) proto_.add_input(input);
    for (const std::string& output : outputs) proto_.add_output(output);
    proto_.add_opset_import()->set_version(opset);
  }
  Function& Takes(const std::string& attribute) {
    proto_.add_attribute(attribute);
    return *this;
  }
  // An attribute with a default: field 11, which the schema here does not know.
  Function& Takes(const onnx::AttributeProto& attribute) {
    const std::string bytes = attribute.SerializeAsString();
    EXPECT_LT(bytes.size(), 128U);
    std::string field = "\x5a";
    field += static_cast<char>(bytes.size());
    *proto_.mutable_unknown_fields() += field + bytes;
    return *this;
  }
  Function& Node(const std::string& op, const Names& inputs, const Names& outputs,
                 const Attributes& attributes = {}) {
    SetNode(*proto_.add_node(), op, inputs, outputs, attributes, "");
    return *this;
  }
  Function& Call(const std::string& op, const Names& inputs, const Names& outputs,
                 const Attributes& attributes = {}) {
    SetNode(*proto_.add_node(), op, inputs, outputs, attributes, kDomain);
    return *this;
  }
  onnx::FunctionProto& proto() { return proto_; }

 private:
  onnx::FunctionProto& proto_;
};

void Call(OnnxBuilder& b, const std::string& op, const Names& inputs, const Names& outputs,
          const Attributes& attributes = {}) {
  SetNode(*b.proto().mutable_graph()->add_node(), op, inputs, outputs, attributes, kDomain);
}

onnx::AttributeProto Refer(const std::string& name, const std::string& to,
                           onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_ref_attr_name(to);
  attribute.set_type(type);
  return attribute;
}

onnx::AttributeProto Graph(const std::string& name, const onnx::GraphProto& graph) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  *attribute.mutable_g() = graph;
  return attribute;
}

// One node as a graph.
onnx::GraphProto Branch(const std::string& op, const Names& inputs, const std::string& output,
                        const Attributes& attributes = {}) {
  onnx::GraphProto graph;
  SetNode(*graph.add_node(), op, inputs, {output}, attributes, "");
  graph.add_output()->set_name(output);
  return graph;
}

std::vector<double> Compute(const OnnxBuilder& builder, const std::vector<double>& x) {
  const Result<Model> model = ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  Bindings<double> bindings{
      {{ElementType::kFloat32, {}, x, {}}}, ParameterValues<double>(*model), {}};
  const auto out = Interpret<double>(model->graph(), bindings, model->graph().outputs());
  EXPECT_TRUE(out.ok()) << out.error().message();
  return out.ok() ? (*out)[0].reals : std::vector<double>{};
}

Error Refusal(const OnnxBuilder& builder) {
  const auto start = std::chrono::steady_clock::now();
  const Result<Model> model = ImportOnnx(builder.Write());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << "a hang";
  EXPECT_FALSE(model.ok()) << "accepted";
  return model.ok() ? InternalError("accepted") : model.error();
}

void ExpectRefused(const OnnxBuilder& builder, ErrorCode code, const Names& words) {
  const Error error = Refusal(builder);
  EXPECT_EQ(ErrorCodeName(error.code()), ErrorCodeName(code)) << error.message();
  for (const std::string& word : words) {
    EXPECT_NE(error.message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << error.message();
  }
}

TEST(Functions, AreTheirBodies) {
  OnnxBuilder b({3});
  b.Weight("w", {2, 3}, Draws(1).Floats(6)).Weight("v", {2, 2}, Draws(2).Floats(4));
  // The names inside are the function's own: "y" and "x" are others outside.
  Function(b, "Layer", {"x", "weight"}, {"out"})
      .Takes("slope")
      .Node("Gemm", {"x", "weight"}, {"y"}, {Int("transB", 1)})
      .Node("LeakyRelu", {"y"}, {"out"}, {Refer("alpha", "slope", onnx::AttributeProto::FLOAT)});
  Function(b, "Two", {"a", "u", "v"}, {"y", "x"})
      .Takes("s")
      .Call("Layer", {"a", "u"}, {"x"}, {Refer("slope", "s", onnx::AttributeProto::FLOAT)})
      .Call("Layer", {"x", "v"}, {"y"}, {Float("slope", 0.5F)});
  Call(b, "Two", {"x", "w", "v"}, {"y", "first"}, {Float("s", 0.25F)});
  b.Node("Add", {"y", "first"}, {"z"}).Output("z");

  OnnxBuilder flat({3});
  flat.Weight("w", {2, 3}, Draws(1).Floats(6)).Weight("v", {2, 2}, Draws(2).Floats(4));
  flat.Node("Gemm", {"x", "w"}, {"a"}, {Int("transB", 1)});
  flat.Node("LeakyRelu", {"a"}, {"first"}, {Float("alpha", 0.25F)});
  flat.Node("Gemm", {"first", "v"}, {"c"}, {Int("transB", 1)});
  flat.Node("LeakyRelu", {"c"}, {"y"}, {Float("alpha", 0.5F)});
  flat.Node("Add", {"y", "first"}, {"z"}).Output("z");

  const std::vector<double> x = {0.5, -1, 2};
  EXPECT_EQ(Compute(b, x), Compute(flat, x));
  EXPECT_EQ(ImportOnnx(b.Write())->parameters().size(), 2U);
  ExpectGradients(b);
}

TEST(Functions, AttributesHaveDefaultsOrAreAbsent) {
  OnnxBuilder b({1});
  Function(b, "Slope", {"x"}, {"y"})
      .Takes(Float("slope", 0.5F))
      .Node("LeakyRelu", {"x"}, {"y"}, {Refer("alpha", "slope", onnx::AttributeProto::FLOAT)});
  Function(b, "Own", {"x"}, {"y"})
      .Takes("slope")
      .Node("LeakyRelu", {"x"}, {"y"}, {Refer("alpha", "slope", onnx::AttributeProto::FLOAT)});
  Call(b, "Slope", {"x"}, {"default"});
  Call(b, "Slope", {"x"}, {"given"}, {Float("slope", 0.25F)});
  Call(b, "Own", {"x"}, {"absent"});  // LeakyRelu's own 0.01
  b.Node("Concat", {"default", "given", "absent"}, {"y"}, {Int("axis", 1)}).Output("y");
  const std::vector<double> y = Compute(b, {-1});
  ASSERT_EQ(y.size(), 3U);
  EXPECT_DOUBLE_EQ(y[0], -0.5);
  EXPECT_DOUBLE_EQ(y[1], -0.25);
  EXPECT_FLOAT_EQ(static_cast<float>(y[2]), -0.01F);
}

TEST(Functions, OptionalInputsMayBeLeftOut) {
  for (const bool with_bias : {false, true}) {
    OnnxBuilder b({2});
    b.Weight("w", {2, 2}, {1, 2, 3, 4}).Weight("bias", {2}, {10, 20});
    Function(b, "Linear", {"x", "w", "c"}, {"y"}).Node("Gemm", {"x", "w", "c"}, {"y"});
    Call(b, "Linear", with_bias ? Names{"x", "w", "bias"} : Names{"x", "w"}, {"y"});
    b.Output("y");
    EXPECT_EQ(Compute(b, {1, 1}),
              with_bias ? (std::vector<double>{14, 26}) : (std::vector<double>{4, 6}));
  }
}

TEST(Functions, ShapesPassThrough) {
  OnnxBuilder b({2, 3});
  Function(b, "View", {"x", "size"}, {"y"}).Node("Reshape", {"x", "size"}, {"y"});
  Function(b, "Batch", {"x"}, {"n"}).Node("Shape", {"x"}, {"n"}, {Int("start", 0), Int("end", 1)});
  b.Integers("six", {6});
  Call(b, "Batch", {"x"}, {"n"});
  b.Node("Concat", {"n", "six"}, {"size"}, {Int("axis", 0)});
  Call(b, "View", {"x", "size"}, {"y"});
  b.Output("y");
  EXPECT_EQ(Compute(b, {1, 2, 3, 4, 5, 6}).size(), 6U);
}

TEST(Functions, HaveTheirOwnOpset) {
  OnnxBuilder b({2}, 18);
  // Before opset 18, ReduceMean has its axes as an attribute.
  Function(b, "Old", {"x"}, {"y"}, 13).Node("ReduceMean", {"x"}, {"y"}, {Ints("axes", {1})});
  Call(b, "Old", {"x"}, {"y"});
  b.Output("y");
  EXPECT_EQ(Compute(b, {1, 3}), (std::vector<double>{2}));
  b.proto().mutable_functions(0)->mutable_opset_import(0)->set_version(99);
  ExpectRefused(b, ErrorCode::kUnsupported, {"function 'Old'", "opset 99"});
}

TEST(Functions, MixingInsideIsRefused) {
  OnnxBuilder b({3});
  b.Integers("axes", {0});
  Function(b, "Norm", {"x", "axes"}, {"y"}).Node("ReduceMean", {"x", "axes"}, {"y"});
  b.proto().mutable_functions(0)->mutable_opset_import(0)->set_version(18);
  Call(b, "Norm", {"x", "axes"}, {"y"});
  b.Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"(Norm", "(ReduceMean, opset 18)", "example axis"});
}

TEST(FunctionsRefused, CallsThatDoNotFit) {
  const auto with = [](const Names& inputs, const Names& outputs, const Attributes& attributes) {
    OnnxBuilder b({2});
    Function(b, "F", {"x"}, {"y"}).Node("Relu", {"x"}, {"y"});
    Call(b, "F", inputs, outputs, attributes);
    return b.Output("y");
  };
  ExpectRefused(with({"x", "x"}, {"y"}, {}), ErrorCode::kInvalidInput, {"2 inputs", "of 1"});
  ExpectRefused(with({"nothing"}, {"y"}, {}), ErrorCode::kInvalidInput, {"'nothing'"});
  ExpectRefused(with({"x"}, {"y"}, {Int("a", 1)}), ErrorCode::kInvalidInput, {"'a'"});
  ExpectRefused(with({}, {"y"}, {}), ErrorCode::kInvalidInput, {"input 0 is missing"});
  OnnxBuilder outputs = with({"x"}, {"y", "more"}, {});
  outputs.Node("Relu", {"more"}, {"z"}).Output("z");
  ExpectRefused(outputs, ErrorCode::kUnsupported, {"'more'"});
}

TEST(FunctionsRefused, BodiesThatReadAround) {
  OnnxBuilder b({2});
  Function(b, "F", {"a"}, {"y"}).Node("Add", {"a", "x"}, {"y"});
  Call(b, "F", {"x"}, {"y"});
  ExpectRefused(b.Output("y"), ErrorCode::kInvalidInput, {"reads 'x'"});
}

TEST(FunctionsRefused, Definitions) {
  OnnxBuilder own({2});
  Function(own, "Relu", {"x"}, {"y"}).proto().clear_domain();
  ExpectRefused(own.Node("Relu", {"x"}, {"y"}).Output("y"), ErrorCode::kUnsupported,
                {"function 'Relu'", "domain"});
  OnnxBuilder twice({2});
  Function(twice, "F", {"x"}, {"x"});
  Function(twice, "F", {"x"}, {"x"});
  Call(twice, "F", {"x"}, {"y"});
  ExpectRefused(twice.Output("y"), ErrorCode::kInvalidInput, {"twice"});
  OnnxBuilder nobody({2});
  Call(nobody, "Missing", {"x"}, {"y"});
  ExpectRefused(nobody.Output("y"), ErrorCode::kUnsupported, {"(Missing", "'pkg.layers'"});
  OnnxBuilder overload({2});
  *Function(overload, "F", {"x"}, {"x"}).proto().mutable_unknown_fields() = "\x6a\x01z";
  Call(overload, "F", {"x"}, {"y"});
  ExpectRefused(overload.Output("y"), ErrorCode::kUnsupported, {"overload"});
  OnnxBuilder reference({2});
  reference.Node("LeakyRelu", {"x"}, {"y"}, {Refer("alpha", "a", onnx::AttributeProto::FLOAT)});
  ExpectRefused(reference.Output("y"), ErrorCode::kInvalidInput, {"outside any function"});
}

TEST(FunctionsRefused, Recursion) {
  OnnxBuilder b({2});
  Function(b, "F", {"x"}, {"y"}).Call("G", {"x"}, {"y"});
  Function(b, "G", {"x"}, {"y"}).Call("F", {"x"}, {"y"});
  Call(b, "F", {"x"}, {"y"});
  ExpectRefused(b.Output("y"), ErrorCode::kInvalidInput, {"calls itself"});
}

// f0 is `last`; f(k + 1) calls f(k) `calls` times.
OnnxBuilder Tower(int height, int calls, const std::string& last = "Relu") {
  OnnxBuilder b({2});
  Function(b, "f0", {"x"}, {"y"}).Node(last, {"x"}, {"y"});
  for (int k = 1; k <= height; ++k) {
    Function f(b, "f" + std::to_string(k), {"v0"}, {"v" + std::to_string(calls)});
    for (int i = 0; i < calls; ++i) {
      f.Call("f" + std::to_string(k - 1), {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)});
    }
  }
  Call(b, "f" + std::to_string(height), {"x"}, {"y"});
  return b.Output("y");
}

TEST(FunctionsRefused, Towers) {
  EXPECT_TRUE(ImportOnnx(Tower(20, 1).Write()).ok());
  EXPECT_TRUE(ImportOnnx(Tower(5, 4).Write()).ok());
  ExpectRefused(Tower(40, 1), ErrorCode::kLimitExceeded, {"deeper than 32"});
  ExpectRefused(Tower(30, 2), ErrorCode::kLimitExceeded, {"65536 nodes"});
  ExpectRefused(Tower(30, 9, "Identity"), ErrorCode::kLimitExceeded, {"65536 nodes"});
}

TEST(FunctionsRefused, ManyCallsOfABodyWithNumbers) {
  OnnxBuilder b = Tower(13, 2, "Identity");
  onnx::AttributeProto value;
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  *value.mutable_t() = testing::FloatTensor("", {10'000}, std::vector<float>(10'000, 1));
  SetNode(*b.proto().mutable_functions(0)->add_node(), "Constant", {}, {"c"}, {value}, "");
  ExpectRefused(b, ErrorCode::kLimitExceeded, {"too large together"});
}

TEST(FunctionsRefused, ManyCallsWithManyInputs) {
  OnnxBuilder b({2});
  Names many(3000, "n");
  Function f(b, "f", many, {"y"});
  f.proto().clear_input();
  f.proto().add_input("x");
  for (std::size_t i = 1; i < many.size(); ++i) f.proto().add_input("i" + std::to_string(i));
  f.Node("Relu", {"x"}, {"y"});
  for (int k = 0; k < 5000; ++k)
    Call(b, "f", {k == 0 ? "x" : "v" + std::to_string(k)}, {"v" + std::to_string(k + 1)});
  ExpectRefused(b.Output("v5000"), ErrorCode::kLimitExceeded, {"too large together"});
}

TEST(If, TakesTheBranchThatIsKnown) {
  for (const std::int64_t condition : {0, 1}) {
    OnnxBuilder b({2});
    b.Integers("c", {condition}).Weight("w", {2}, {3, 4});
    // Both branches read "x" and "w" around them, and their own names do not meet.
    b.Node("If", {"c"}, {"y"},
           {Graph("then_branch", Branch("Add", {"x", "w"}, "inner")),
            Graph("else_branch", Branch("Mul", {"x", "w"}, "inner"))});
    b.Node("Relu", {"y"}, {"inner"}).Output("inner");
    EXPECT_EQ(Compute(b, {1, 2}),
              condition == 1 ? (std::vector<double>{4, 6}) : (std::vector<double>{3, 8}));
    ExpectGradients(b);
  }
}

TEST(If, DecidesByShapes) {
  OnnxBuilder b({2, 3});
  b.Integers("at", {2}).Integers("three", {3});
  b.Node("Shape", {"x"}, {"shape"}).Node("Gather", {"shape", "at"}, {"width"});
  b.Node("Equal", {"width", "three"}, {"c"});
  b.Node("If", {"c"}, {"y"},
         {Graph("then_branch", Branch("Flatten", {"x"}, "a")),
          Graph("else_branch", Branch("Identity", {"x"}, "b"))});
  EXPECT_EQ(Compute(b.Output("y"), {1, 2, 3, 4, 5, 6}).size(), 6U);
}

TEST(If, MayBeNestedAndCarryNumbers) {
  onnx::GraphProto inner = Branch("Add", {"x", "two"}, "inner");
  *inner.add_initializer() = testing::FloatTensor("two", {1}, {2});
  const onnx::GraphProto outer =
      Branch("If", {"c"}, "outer", {Graph("then_branch", inner), Graph("else_branch", inner)});
  OnnxBuilder b({2});
  b.Integers("c", {1}, true);
  b.Node("If", {"c"}, {"y"}, {Graph("then_branch", outer), Graph("else_branch", outer)});
  b.Node("If", {"c"}, {"z"}, {Graph("then_branch", outer), Graph("else_branch", outer)});
  b.Node("Add", {"y", "z"}, {"sum"}).Output("sum");
  EXPECT_EQ(Compute(b, {1, 2}), (std::vector<double>{6, 8}));
}

TEST(If, WithinAFunction) {
  OnnxBuilder b({2});
  Function(b, "F", {"x", "c"}, {"y"})
      .Takes("slope")
      .Node("If", {"c"}, {"y"},
            {Graph("then_branch", Branch("LeakyRelu", {"x"}, "a",
                                         {Refer("alpha", "slope", onnx::AttributeProto::FLOAT)})),
             Graph("else_branch", Branch("Neg", {"x"}, "a"))});
  b.Integers("yes", {1});
  Call(b, "F", {"x", "yes"}, {"y"}, {Float("slope", 0.5F)});
  EXPECT_EQ(Compute(b.Output("y"), {-2, 2}), (std::vector<double>{-1, 2}));
}

OnnxBuilder WithCondition(const std::string& condition) {
  OnnxBuilder b({2});
  b.Integers("zero", {0}, true).Integers("one", {1}).Constant("half", {1, 1}, {0.5F});
  b.Node("Shape", {"x"}, {"shape"}).Node("Gather", {"shape", "zero"}, {"batch"});
  b.Node("Greater", {"x", "half"}, {"per_example"});
  b.Node("If", {condition}, {"y"},
         {Graph("then_branch", Branch("Relu", {"x"}, "a")),
          Graph("else_branch", Branch("Neg", {"x"}, "a"))});
  return b.Output("y");
}

TEST(IfRefused, Conditions) {
  EXPECT_TRUE(ImportOnnx(WithCondition("one").Write()).ok());
  ExpectRefused(WithCondition("per_example"), ErrorCode::kPrivacyRefused,
                {"(If", "depends on the examples", "Where"});
  ExpectRefused(WithCondition("batch"), ErrorCode::kPrivacyRefused, {"batch's size"});
  ExpectRefused(WithCondition("half"), ErrorCode::kUnsupported,
                {"condition is not known", "Where"});
  ExpectRefused(WithCondition("shape"), ErrorCode::kPrivacyRefused, {"(If"});
}

TEST(IfRefused, Branches) {
  const auto with = [](const Attributes& attributes) {
    OnnxBuilder b({2});
    b.Integers("c", {1}).Node("If", {"c"}, {"y"}, attributes);
    return b.Output("y");
  };
  const onnx::GraphProto relu = Branch("Relu", {"x"}, "a");
  ExpectRefused(with({}), ErrorCode::kInvalidInput, {"branch"});
  ExpectRefused(with({Int("then_branch", 1)}), ErrorCode::kInvalidInput, {"branch"});
  onnx::GraphProto inputs = relu;
  inputs.add_input()->set_name("i");
  ExpectRefused(with({Graph("then_branch", inputs)}), ErrorCode::kInvalidInput, {"branch"});
  // A name that hides one around it.
  ExpectRefused(with({Graph("then_branch", Branch("Relu", {"x"}, "c"))}), ErrorCode::kInvalidInput,
                {"two values"});
  onnx::GraphProto nothing = relu;
  nothing.mutable_output(0)->set_name("nothing");
  ExpectRefused(with({Graph("then_branch", nothing)}), ErrorCode::kInvalidInput, {"'nothing'"});
  // What a branch names ends with it.
  OnnxBuilder leak({2});
  leak.Integers("c", {1}).Node("If", {"c"}, {"y"}, {Graph("then_branch", relu)});
  leak.Node("Add", {"y", "a"}, {"z"}).Output("z");
  ExpectRefused(leak, ErrorCode::kInvalidInput, {"reads 'a'"});
}

TEST(ControlFlowRefused, LoopsAndSequences) {
  for (const char* op : {"Loop", "Scan", "SequenceConstruct", "SequenceAt", "OptionalHasElement"}) {
    OnnxBuilder b({2});
    b.Node(op, {"x"}, {"y"}, {Graph("body", Branch("Relu", {"x"}, "a"))}).Output("y");
    ExpectRefused(b, ErrorCode::kUnsupported, {std::string("(") + op, "not supported", "export"});
  }
}

}  // namespace
}  // namespace anchorhold::graph
