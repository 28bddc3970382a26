// Einsum against its definition (a loop over all values of all letters), its gradients, and what is
// refused.
#include <gtest/gtest.h>

#include <map>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;
using testing::Text;

// sum over the letters of no result, of the product of the operands' elements.
std::vector<double> Define(const std::vector<std::string>& terms, const std::string& result,
                           const std::vector<Tensor<double>>& operands) {
  std::map<char, std::int64_t> size;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    for (std::size_t k = 0; k < terms[i].size(); ++k) {
      size[terms[i][k]] = std::max(size[terms[i][k]], operands[i].shape[k]);
    }
  }
  std::size_t total = 1;
  std::size_t out_size = 1;
  for (const auto& [letter, n] : size) total *= static_cast<std::size_t>(n);
  for (const char letter : result) out_size *= static_cast<std::size_t>(size[letter]);
  std::vector<double> out(out_size, 0);
  for (std::size_t n = 0; n < total; ++n) {
    std::map<char, std::int64_t> at;
    std::size_t rest = n;
    for (const auto& [letter, count] : size) {
      at[letter] = static_cast<std::int64_t>(rest % static_cast<std::size_t>(count));
      rest /= static_cast<std::size_t>(count);
    }
    const auto index = [&](const std::string& term, const Shape* shape) {
      std::size_t i = 0;
      for (std::size_t k = 0; k < term.size(); ++k) {
        const std::int64_t axis = shape == nullptr ? size[term[k]] : (*shape)[k];
        const std::int64_t place = axis == 1 ? 0 : at[term[k]];  // broadcast
        i = i * static_cast<std::size_t>(axis) + static_cast<std::size_t>(place);
      }
      return i;
    };
    double product = 1;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      product *= operands[i].reals[index(terms[i], &operands[i].shape)];
    }
    out[index(result, nullptr)] += product;
  }
  return out;
}

// Without examples. `terms` and `result` spell the equation's ellipses out.
void ExpectValue(const std::string& equation, const std::vector<std::string>& terms,
                 const std::string& result, const std::vector<Shape>& shapes) {
  SCOPED_TRACE(equation);
  Draws draws(3);
  OnnxBuilder b({}, 17, 1);
  b.proto().mutable_graph()->clear_input();
  Bindings<double> bindings;
  std::vector<std::string> names;
  for (const Shape& shape : shapes) {
    names.push_back("x" + std::to_string(names.size()));
    bindings.inputs.push_back(
        testing::DrawTensor(draws, {shape, kNoExampleAxis, ElementType::kFloat32}));
    b.Input(names.back(), {}, 1);
    onnx::TypeProto::Tensor* type = b.proto()
                                        .mutable_graph()
                                        ->mutable_input(b.proto().graph().input_size() - 1)
                                        ->mutable_type()
                                        ->mutable_tensor_type();
    type->mutable_shape()->clear_dim();
    for (const std::int64_t n : shape) type->mutable_shape()->add_dim()->set_dim_value(n);
  }
  b.Node("Einsum", names, {"y"}, {Text("equation", equation)}).Output("y");
  ImportOptions plain;
  plain.examples = false;
  const Result<Model> model = ImportOnnx(b.Write(), plain);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto out = Interpret<double>(model->graph(), bindings, model->graph().outputs());
  ASSERT_TRUE(out.ok());
  const std::vector<double> expected = Define(terms, result, bindings.inputs);
  ASSERT_EQ((*out)[0].reals.size(), expected.size());
  EXPECT_EQ((*out)[0].shape.size(), result.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR((*out)[0].reals[i], expected[i], 1e-9) << i;
  }
}

TEST(Einsum, Values) {
  ExpectValue("ij->ji", {"ij"}, "ji", {{2, 3}});
  ExpectValue("ij->", {"ij"}, "", {{2, 3}});
  ExpectValue("ij -> i", {"ij"}, "i", {{2, 3}});
  ExpectValue("i,i", {"i", "i"}, "", {{4}, {4}});
  ExpectValue("bij,bjk->bik", {"bij", "bjk"}, "bik", {{2, 3, 4}, {2, 4, 5}});
  ExpectValue("bij,bkj->bkij", {"bij", "bkj"}, "bkij", {{2, 3, 4}, {2, 5, 4}});
  ExpectValue("bhid,bhjd->bhij", {"bhid", "bhjd"}, "bhij", {{2, 3, 4, 5}, {2, 3, 2, 5}});
  ExpectValue("ijk,jil->kl", {"ijk", "jil"}, "kl", {{2, 3, 4}, {3, 2, 5}});
  ExpectValue("i,j->ij", {"i", "j"}, "ij", {{2}, {3}});
  ExpectValue("ij,ij->ij", {"ij", "ij"}, "ij", {{2, 3}, {2, 3}});
  ExpectValue("ij,kj->", {"ij", "kj"}, "", {{2, 3}, {4, 3}});
  ExpectValue("ba,ca", {"ba", "ca"}, "bc", {{2, 3}, {4, 3}});
  ExpectValue("Ab,bc", {"Ab", "bc"}, "Ac", {{2, 3}, {3, 4}});
}

TEST(Einsum, RepeatedLetters) {
  ExpectValue("ii->i", {"ii"}, "i", {{3, 3}});
  ExpectValue("ii", {"ii"}, "", {{3, 3}});
  ExpectValue("iji->j", {"iji"}, "j", {{3, 2, 3}});
  ExpectValue("iii->i", {"iii"}, "i", {{2, 2, 2}});
  ExpectValue("...ii->...i", {"bii"}, "bi", {{2, 3, 3}});
  ExpectValue("ijij,jk->ki", {"ijij", "jk"}, "ki", {{2, 3, 2, 3}, {3, 4}});
}

TEST(Einsum, Ellipses) {
  ExpectValue("...ij,...jk->...ik", {"abij", "abjk"}, "abik", {{2, 3, 2, 4}, {2, 3, 4, 2}});
  ExpectValue("...ij,...jk", {"abij", "bjk"}, "abik", {{2, 3, 2, 4}, {3, 4, 2}});
  ExpectValue("...i,i...->...", {"abi", "iab"}, "ab", {{1, 3, 2}, {2, 4, 3}});
  ExpectValue("i...->...i", {"iab"}, "abi", {{2, 3, 4}});
  ExpectValue("...,...", {"a", "a"}, "a", {{3}, {1}});
}

TEST(Einsum, SeveralOperands) {
  ExpectValue("ij,jk,kl->il", {"ij", "jk", "kl"}, "il", {{2, 3}, {3, 4}, {4, 5}});
  ExpectValue("i,ij,j->", {"i", "ij", "j"}, "", {{2}, {2, 3}, {3}});
  ExpectValue("bi,bi,bi->b", {"bi", "bi", "bi"}, "b", {{2, 3}, {2, 3}, {2, 3}});
  ExpectValue("a,b,c,d->dcba", {"a", "b", "c", "d"}, "dcba", {{2}, {3}, {2}, {3}});
}

// "x" [B, 2, 3, 4] and weights; the output first in the batch.
OnnxBuilder Typed(const std::string& equation, const Shape& weight, const Shape& example) {
  OnnxBuilder b(example);
  b.Weight("w", weight, Draws(1).Floats(ElementCount(weight)));
  return b.Node("Einsum", {"x", "w"}, {"y"}, {Text("equation", equation)}).Output("y");
}

TEST(Einsum, TypesAndGradients) {
  ExpectGradients(Typed("bshd,hdm->bsm", {3, 4, 5}, {2, 3, 4}));
  ExpectGradients(Typed("bshd,mhd->bsm", {5, 3, 4}, {2, 3, 4}));
  ExpectGradients(Typed("bij,ij->bij", {2, 3}, {2, 3}));
  ExpectGradients(Typed("b...i,ij->b...j", {3, 2}, {2, 3}));
  ExpectGradients(Typed("bij,kk->bki", {3, 3}, {2, 3}));
  // Attention, the weights on both sides.
  OnnxBuilder b({2, 3, 4});
  b.Weight("q", {4, 4}, Draws(1).Floats(16)).Weight("k", {4, 4}, Draws(2).Floats(16));
  b.Node("Einsum", {"x", "q"}, {"xq"}, {Text("equation", "bhsd,de->bhse")});
  b.Node("Einsum", {"x", "k"}, {"xk"}, {Text("equation", "bhsd,de->bhse")});
  b.Node("Einsum", {"xq", "xk"}, {"s"}, {Text("equation", "bhid,bhjd->bhij")});
  b.Node("Einsum", {"s", "xk"}, {"y"}, {Text("equation", "bhij,bhjd->bihd")}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(FormatType(model->graph().type(model->graph().outputs()[0])),
            "example x 3 x 2 x 4 float32");
  ExpectGradients(b);
}

TEST(Einsum, ExamplesMayLieAnywhere) {
  OnnxBuilder b({2, 3});
  b.Weight("w", {3, 4}, Draws(1).Floats(12));
  b.Node("Einsum", {"x", "w"}, {"t"}, {Text("equation", "bij,jk->kib")});
  b.Node("Transpose", {"t"}, {"y"}, {Ints("perm", {2, 0, 1})}).Output("y");
  ExpectGradients(b);
}

void ExpectRefused(const OnnxBuilder& builder, ErrorCode code,
                   const std::vector<std::string>& words) {
  const Result<Model> model = ImportOnnx(builder.Write());
  ASSERT_FALSE(model.ok()) << "accepted";
  EXPECT_EQ(ErrorCodeName(model.error().code()), ErrorCodeName(code)) << model.error().message();
  for (const std::string& word : words) {
    EXPECT_NE(model.error().message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << model.error().message();
  }
}

OnnxBuilder WithItself(const std::string& equation, const Shape& example = {2, 3}) {
  OnnxBuilder b(example);
  b.Node("Einsum", {"x", "x"}, {"y"}, {Text("equation", equation)});
  return b.Output("y");
}

TEST(EinsumRefused, ExamplesMixed) {
  const auto mixes = [](const OnnxBuilder& b, const std::vector<std::string>& words) {
    ExpectRefused(b, ErrorCode::kPrivacyRefused, words);
  };
  mixes(WithItself("bij,bjk->ik", {2, 2}), {"lacks the letter 'b'", "mix"});
  mixes(WithItself("bij,bij"), {"lacks the letter 'b'"});
  mixes(WithItself("...ij,...ij->ij"), {"lacks an axis of \"...\""});
  mixes(WithItself("bij,cij->bc"), {"'b'", "'c'", "pairs every example"});
  mixes(WithItself("bij,cij->bcij"), {"pairs every example"});
  mixes(WithItself("bij,...ij->b...ij"), {"pairs every example"});
  OnnxBuilder diagonal({1, 2});
  diagonal.Node("Einsum", {"x"}, {"y"}, {Text("equation", "iij->ij")}).Output("y");
  mixes(diagonal, {"diagonal", "example axis"});
  // A constant with a number for each place in the batch.
  mixes(Typed("bi,b->bi", {5}, {2}), {"place in the batch"});
  mixes(Typed("bi,bj->bij", {5, 3}, {2}), {"place in the batch"});
}

TEST(EinsumRefused, AbsurdEquations) {
  const auto refused = [](const std::string& equation) {
    SCOPED_TRACE(equation.substr(0, 40));
    ExpectRefused(WithItself(equation), ErrorCode::kInvalidInput, {"(Einsum"});
  };
  refused("");
  refused("bij");
  refused("bij,bij,bij->b");
  refused("bij,bi->b");
  refused("bij,bijk->b");
  refused("bij,bij->bb");
  refused("bij,bij->bz");
  refused("b1j,bij->b");
  refused("b..j,bij->b");
  refused("b......,bij->b");
  refused("bij,bji->b");  // 2 and 3 meet
  refused("bij,bij->->");
  refused(std::string(100'000, 'a') + "," + std::string(100'000, 'b'));
  refused(std::string(100'000, ','));
}

}  // namespace
}  // namespace anchorhold::graph
