// Einsum: each input's axes are named by letters; the result is summed over the letters that it
// lacks. With the letters of the inputs so far and of the next one in four groups,
//   batch (in both and needed later), rows (left only), columns (right only), inner (in both,
//   summed)
// one step is the product [batch, rows, inner] x [batch, inner, columns], or, without inner
// letters, an elementwise product of [batch, rows, 1] and [batch, 1, columns].
// "..." stands for axes that broadcast, aligned at the last one. A letter repeated in one input
// takes the diagonal. Without "->", the result has the letters that occur once, in alphabetical
// order. Examples: their letter must be the same in every input that has them, and be in the
// result.
#include <algorithm>
#include <array>
#include <string>

#include "shared/base/limits.h"
#include "trusted/graph/emitter.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

// A letter, or kEllipsis + k for the axis that is k-th from the end of what "..." stands for.
using Letter = int;
using Letters = std::vector<Letter>;
constexpr Letter kEllipsis = 256;

bool Contains(const Letters& letters, Letter letter) {
  return std::find(letters.begin(), letters.end(), letter) != letters.end();
}

std::string NameOf(Letter letter) {
  return letter >= kEllipsis ? "an axis of \"...\""
                             : "the letter '" + std::string(1, static_cast<char>(letter)) + "'";
}

struct Operand {
  ValueId value = kNoValue;
  Letters letters{};  // by axis
};

struct Group;

struct Equation {
  std::vector<std::string> inputs;  // "bi", "...ij"
  bool has_result = false;
  std::string result;
};

// Letters, and at most one ellipsis, which is written as one '.'.
Result<std::string> ReadTerm(const std::string& term) {
  std::string out;
  for (std::size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool ellipsis = term.compare(i, 3, "...") == 0 && out.find('.') == std::string::npos;
    if (!letter && !ellipsis) return InvalidInput("the equation has a sign that is no letter");
    out += c;
    if (ellipsis) i += 2;
  }
  return out;
}

Result<Equation> ReadEquation(const std::string& text) {
  std::string equation;
  for (const char c : text) {
    if (c != ' ') equation += c;
  }
  Equation out;
  std::string left = equation;
  const std::size_t arrow = equation.find("->");
  if (arrow != std::string::npos) {
    left = equation.substr(0, arrow);
    out.has_result = true;
    AH_ASSIGN_OR_RETURN(out.result, ReadTerm(equation.substr(arrow + 2)));
  }
  for (std::size_t at = 0; at <= left.size();) {
    const std::size_t end = std::min(left.find(',', at), left.size());
    AH_ASSIGN_OR_RETURN(std::string term, ReadTerm(left.substr(at, end - at)));
    out.inputs.push_back(std::move(term));
    at = end + 1;
  }
  return out;
}

// The letter of each axis, "..." being `ellipsis` axes.
Letters Expand(const std::string& term, int ellipsis) {
  Letters letters;
  for (const char c : term) {
    if (c != '.') letters.push_back(static_cast<unsigned char>(c));
    for (int k = ellipsis; c == '.' && k-- > 0;) letters.push_back(kEllipsis + k);
  }
  return letters;
}

class Contraction {
 public:
  explicit Contraction(NodeContext& node) : emit_(node), node_(node) {}
  Status Run();

 private:
  Status ReadOperands(const Equation& equation);
  Status ReadResult(const Equation& equation);
  Status CheckExamples() const;
  void Diagonal(Operand& operand, std::size_t first, std::size_t second);
  void TakeDiagonals(Operand& operand);
  void SumUnused(Operand& operand, const Letters& needed);
  ValueId AsMatrices(const Operand& operand, const Group& leading, const Group& first,
                     const Group& second);
  Operand Multiply(const Operand& a, const Operand& b, const Letters& needed);
  ValueId Arrange(const Operand& operand, const Letters& order);
  Letters NeededAfter(std::size_t i) const;

  Emitter emit_;
  NodeContext& node_;
  std::vector<Operand> operands_;
  Letters result_;
  int ellipsis_ = 0;  // the most axes that "..." stands for
};

Status Contraction::ReadOperands(const Equation& equation) {
  if (equation.inputs.size() != node_.input_count()) {
    return InvalidInput("the equation is for " + std::to_string(equation.inputs.size()) +
                        " inputs, and there are " + std::to_string(node_.input_count()));
  }
  for (std::size_t i = 0; i < equation.inputs.size(); ++i) {
    const std::string& term = equation.inputs[i];
    const bool has_ellipsis = term.find('.') != std::string::npos;
    AH_ASSIGN_OR_RETURN(const ValueId value, node_.Tensor(i));
    const ValueType type = node_.Type(value);
    const int named =
        static_cast<int>(std::min<std::size_t>(term.size(), 2 * limits::kTensorRankMax)) -
        (has_ellipsis ? 1 : 0);
    const int rest = type.rank() - named;
    if (rest < 0 || (rest > 0 && !has_ellipsis)) {
      return InvalidInput("the equation does not name the axes of input " + std::to_string(i) +
                          ", which is " + FormatType(type));
    }
    ellipsis_ = std::max(ellipsis_, rest);
    operands_.push_back({value, Expand(term, rest)});
  }
  return Ok();
}

Status Contraction::ReadResult(const Equation& equation) {
  std::array<int, kEllipsis> count{};
  for (const std::string& term : equation.inputs) {
    for (const char c : term) ++count[static_cast<unsigned char>(c)];
  }
  std::string result = equation.result;
  if (!equation.has_result) {
    if (count['.'] > 0) result += '.';
    for (int c = 'A'; c <= 'z'; ++c) {
      if (count[static_cast<std::size_t>(c)] == 1) result += static_cast<char>(c);
    }
  }
  result_ = Expand(result, ellipsis_);
  for (std::size_t k = 0; k < result_.size(); ++k) {
    const Letter letter = result_[k];
    const bool twice = std::find(result_.begin(), result_.begin() + static_cast<std::ptrdiff_t>(k),
                                 letter) != result_.begin() + static_cast<std::ptrdiff_t>(k);
    const bool unknown = letter < kEllipsis && count[static_cast<std::size_t>(letter)] == 0;
    if (twice || unknown) {
      return InvalidInput("the result names " + NameOf(letter) +
                          (twice ? " twice" : ", which no input has"));
    }
  }
  return Ok();
}

Status Contraction::CheckExamples() const {
  Letter examples = -1;
  for (const Operand& operand : operands_) {
    const ValueType type = node_.Type(operand.value);
    if (!type.has_examples()) continue;
    const Letter letter = operand.letters[static_cast<std::size_t>(type.example_axis)];
    if (std::count(operand.letters.begin(), operand.letters.end(), letter) > 1) {
      return PrivacyRefused("takes the diagonal of " + FormatType(type) +
                            " across the example axis, which would give each example a number by "
                            "its place in the batch; repeat other letters only");
    }
    if (!Contains(result_, letter)) {
      return PrivacyRefused("the result lacks " + NameOf(letter) +
                            ", so it sums over the example axis of " + FormatType(type) +
                            " and mixes examples; keep it in the result");
    }
    if (examples >= 0 && letter != examples) {
      return PrivacyRefused("the examples are named by " + NameOf(examples) +
                            " in one input and by " + NameOf(letter) +
                            " in another, which pairs every example with every "
                            "other; name them alike");
    }
    examples = letter;
  }
  return Ok();
}

// Two axes of size n as one: with both at the end, [n, n] is n n numbers, of which every (n+1)-th
// is on the diagonal. n more at the end make it [n, n + 1], whose first column that is.
void Contraction::Diagonal(Operand& operand, std::size_t first, std::size_t second) {
  Shape order;
  Letters letters;
  for (std::size_t k = 0; k < operand.letters.size(); ++k) {
    if (k == first || k == second) continue;
    order.push_back(static_cast<std::int64_t>(k));
    letters.push_back(operand.letters[k]);
  }
  letters.push_back(operand.letters[first]);
  order.push_back(static_cast<std::int64_t>(first));
  order.push_back(static_cast<std::int64_t>(second));
  const ValueId last = emit_.Transpose(operand.value, std::move(order));
  const ValueType type = emit_.type(last);
  if (!emit_.status().ok()) return;
  const std::int64_t n = type.shape.back();
  Shape shape(type.shape.begin(), type.shape.end() - 2);
  const int axis = static_cast<int>(shape.size());
  shape.push_back(n * n);
  const ValueId flat = emit_.Reshape(last, shape, type.example_axis);
  Attributes pads;
  pads.dims.assign(2 * shape.size(), 0);
  pads.dims.back() = n;
  const ValueId padded = emit_.Emit(primitives::kPad, {flat}, std::move(pads));
  shape.back() = n;
  shape.push_back(n + 1);
  const ValueId column =
      emit_.Slice(emit_.Reshape(padded, shape, type.example_axis), axis + 1, 0, 1);
  shape.pop_back();
  operand = {emit_.Reshape(column, std::move(shape), type.example_axis), std::move(letters)};
}

void Contraction::TakeDiagonals(Operand& operand) {
  for (std::size_t k = 0; k < operand.letters.size() && emit_.status().ok();) {
    const auto next = std::find(operand.letters.begin() + static_cast<std::ptrdiff_t>(k) + 1,
                                operand.letters.end(), operand.letters[k]);
    if (next == operand.letters.end()) {
      ++k;
      continue;
    }
    const auto second = static_cast<std::size_t>(next - operand.letters.begin());
    const Shape shape = emit_.type(operand.value).shape;
    if (shape[k] != shape[second]) {
      emit_.Take(InvalidInput(NameOf(operand.letters[k]) + " names axes of sizes " +
                              std::to_string(shape[k]) + " and " + std::to_string(shape[second])));
      return;
    }
    Diagonal(operand, k, second);
    k = 0;
  }
}

// Sums over the letters that nothing else needs.
void Contraction::SumUnused(Operand& operand, const Letters& needed) {
  if (!emit_.status().ok()) return;
  Attributes axes;
  Operand out;
  ValueType type = emit_.type(operand.value);
  Shape shape;
  int example_axis = kNoExampleAxis;
  for (std::size_t k = 0; k < operand.letters.size(); ++k) {
    if (!Contains(needed, operand.letters[k])) {
      axes.dims.push_back(static_cast<std::int64_t>(k));
      continue;
    }
    if (static_cast<int>(k) == type.example_axis) example_axis = static_cast<int>(shape.size());
    shape.push_back(type.shape[k]);
    out.letters.push_back(operand.letters[k]);
  }
  if (axes.dims.empty()) return;
  const ValueId sum = emit_.Emit(primitives::kSumOver, {operand.value}, std::move(axes));
  out.value = emit_.Reshape(sum, std::move(shape), example_axis);
  operand = std::move(out);
}

// The operand's axes in the order of those of its letters.
ValueId Contraction::Arrange(const Operand& operand, const Letters& order) {
  Shape permutation;
  for (const Letter letter : order) {
    const auto at = std::find(operand.letters.begin(), operand.letters.end(), letter);
    permutation.push_back(at - operand.letters.begin());
  }
  return emit_.Transpose(operand.value, std::move(permutation));
}

// Letters that the result or an operand from the i-th on has.
Letters Contraction::NeededAfter(std::size_t i) const {
  Letters needed = result_;
  for (; i < operands_.size(); ++i) {
    needed.insert(needed.end(), operands_[i].letters.begin(), operands_[i].letters.end());
  }
  return needed;
}

// Several axes that become one.
struct Group {
  Letters letters{};
  Shape shape{};
  std::int64_t size = 1;
  bool has_examples = false;

  // The example axis goes first: what is folded into it stays within each example.
  void Add(Letter letter, std::int64_t length, bool examples) {
    const auto at = static_cast<std::ptrdiff_t>(examples ? 0 : letters.size());
    letters.insert(letters.begin() + at, letter);
    shape.insert(shape.begin() + at, length);
    size *= length;
    has_examples = has_examples || examples;
  }
};

struct Groups {
  Group batch_a;  // the same letters as in batch_b; where the sizes differ, one is 1
  Group batch_b;
  Group rows;
  Group columns;
  Group inner;
};

Result<Groups> SortLetters(const Operand& a, const ValueType& left, const Operand& b,
                           const ValueType& right, const Letters& needed) {
  Groups groups;
  for (std::size_t k = 0; k < a.letters.size(); ++k) {
    const Letter letter = a.letters[k];
    const bool examples = static_cast<int>(k) == left.example_axis;
    const auto found = std::find(b.letters.begin(), b.letters.end(), letter);
    if (found == b.letters.end()) {
      groups.rows.Add(letter, left.shape[k], examples);
      continue;
    }
    const auto at = static_cast<std::size_t>(found - b.letters.begin());
    const std::int64_t size = left.shape[k];
    const std::int64_t other = right.shape[at];
    const bool kept = Contains(needed, letter);
    if (size != other && (!kept || (size != 1 && other != 1))) {
      return InvalidInput(NameOf(letter) + " names axes of sizes " + std::to_string(size) +
                          " and " + std::to_string(other));
    }
    if (!kept) {
      groups.inner.Add(letter, size, false);
      continue;
    }
    const bool either = examples || static_cast<int>(at) == right.example_axis;
    groups.batch_a.Add(letter, size, either);
    groups.batch_b.Add(letter, other, either);
  }
  for (std::size_t k = 0; k < b.letters.size(); ++k) {
    if (Contains(a.letters, b.letters[k])) continue;
    groups.columns.Add(b.letters[k], right.shape[k], static_cast<int>(k) == right.example_axis);
  }
  return groups;
}

// The operand as [leading, first, second], the last two folded to one axis each.
ValueId Contraction::AsMatrices(const Operand& operand, const Group& leading, const Group& first,
                                const Group& second) {
  Letters order = leading.letters;
  order.insert(order.end(), first.letters.begin(), first.letters.end());
  order.insert(order.end(), second.letters.begin(), second.letters.end());
  Shape shape = leading.shape;
  shape.push_back(first.size);
  shape.push_back(second.size);
  int example_axis = kNoExampleAxis;
  if (emit_.type(operand.value).has_examples()) {
    const int last = static_cast<int>(shape.size()) - 1;
    example_axis = leading.has_examples ? 0 : first.has_examples ? last - 1 : last;
  }
  return emit_.Reshape(Arrange(operand, order), std::move(shape), example_axis);
}

Operand Contraction::Multiply(const Operand& a, const Operand& b, const Letters& needed) {
  if (!emit_.status().ok()) return {};
  const Result<Groups> sorted = SortLetters(a, emit_.type(a.value), b, emit_.type(b.value), needed);
  if (!sorted.ok()) {
    emit_.Take(sorted.error());
    return {};
  }
  const Groups& groups = *sorted;
  const ValueId x = AsMatrices(a, groups.batch_a, groups.rows, groups.inner);
  const ValueId y = AsMatrices(b, groups.batch_b, groups.inner, groups.columns);
  const ValueId product = groups.inner.letters.empty() ? emit_.Mul(x, y) : emit_.MatMul(x, y);
  if (!emit_.status().ok()) return {};
  const ValueType type = emit_.type(product);
  Shape shape(type.shape.begin(), type.shape.end() - 2);
  Operand out{kNoValue, groups.batch_a.letters};
  int example_axis = groups.batch_a.has_examples ? 0 : kNoExampleAxis;
  for (const Group* group : {&groups.rows, &groups.columns}) {
    if (group->has_examples) example_axis = static_cast<int>(shape.size());
    shape.insert(shape.end(), group->shape.begin(), group->shape.end());
    out.letters.insert(out.letters.end(), group->letters.begin(), group->letters.end());
  }
  out.value = emit_.Reshape(product, std::move(shape), example_axis);
  return out;
}

Status Contraction::Run() {
  AH_ASSIGN_OR_RETURN(const std::string text, node_.Text("equation", ""));
  AH_ASSIGN_OR_RETURN(const Equation equation, ReadEquation(text));
  AH_RETURN_IF_ERROR(ReadOperands(equation));
  AH_RETURN_IF_ERROR(ReadResult(equation));
  AH_RETURN_IF_ERROR(CheckExamples());
  for (Operand& operand : operands_) TakeDiagonals(operand);
  Operand product = operands_[0];
  SumUnused(product, NeededAfter(1));
  for (std::size_t i = 1; i < operands_.size() && emit_.status().ok(); ++i) {
    Letters others = NeededAfter(i + 1);
    others.insert(others.end(), product.letters.begin(), product.letters.end());
    SumUnused(operands_[i], others);
    product = Multiply(product, operands_[i], NeededAfter(i + 1));
  }
  AH_RETURN_IF_ERROR(emit_.status());
  const ValueId y = Arrange(product, result_);
  AH_RETURN_IF_ERROR(emit_.status());
  node_.SetOutput(y);
  return Ok();
}

Status Einsum(NodeContext& node) { return Contraction(node).Run(); }

constexpr int kInputsMax = 64;

constexpr OperatorDefinition kOperators[] = {
    {"Einsum", kOpsetMin, kOpsetMax, 1, kInputsMax, &Einsum},
};

}  // namespace

std::span<const OperatorDefinition> EinsumOperators() { return kOperators; }

}  // namespace anchorhold::graph
