// Operations one by one against the naive kernels, and whole programs against their instructions
// run one by one, bit for bit, on every target.
#include "trusted/simd/pointwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "trusted/simd/pointwise_reference.h"

namespace anchorhold::simd {
namespace {

using Floats = std::vector<float>;
constexpr float kCanary = 12345.678F;
constexpr std::size_t kMargin = 32;

bool SameBits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

// n floats, none aligned, with canaries on both sides.
class Guarded {
 public:
  explicit Guarded(std::size_t n) : memory_(n + 2 * kMargin + 1, kCanary), n_(n) {}
  explicit Guarded(const Floats& x) : Guarded(x.size()) { std::copy(x.begin(), x.end(), data()); }
  float* data() { return memory_.data() + kMargin + 1; }
  Floats values() { return Floats(data(), data() + n_); }
  void Check() {
    for (std::size_t i = 0; i <= kMargin; ++i) ASSERT_EQ(memory_[i], kCanary) << "before";
    for (std::size_t i = 0; i < kMargin; ++i) ASSERT_EQ(data()[n_ + i], kCanary) << "after";
  }

 private:
  Floats memory_;
  std::size_t n_;
};

void RunProgram(Target target, const PointProgram& program, const std::vector<const float*>& inputs,
                const std::vector<float*>& outputs) {
  const PointwiseKernels& kernels = *PointwiseKernelsFor(target);
  Guarded scratch(kernels.scratch(program));
  kernels.run(program, inputs.data(), outputs.data(), scratch.data());
  scratch.Check();
}

// One instruction on whole arrays.
Floats RunOne(Target target, PointInstruction instruction, const Floats& a, const Floats& b,
              const Floats& c) {
  PointProgram program;
  program.sizes[0] = a.size();
  PointInput dense;
  dense.strides[0] = 1;
  const PointInput inputs[] = {dense, dense, dense};
  instruction.dst = 3;
  instruction.a = 0;
  instruction.b = 1;
  instruction.c = 2;
  const std::uint8_t outputs[] = {3};
  program.inputs = inputs;
  program.instructions = {&instruction, 1};
  program.outputs = outputs;
  Guarded y(a.size());
  Guarded left(a);
  Guarded right(b);
  Guarded last(c);
  RunProgram(target, program, {left.data(), right.data(), last.data()}, {y.data()});
  y.Check();
  return y.values();
}

Floats RunOne(Target target, PointInstruction instruction, const Floats& a, const Floats& b) {
  return RunOne(target, instruction, a, b, b);
}

const float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();
const float kSpecial[] = {0.0F,   -0.0F,  1,     -1,     kInfinity, -kInfinity, kNaN,  0.5F,
                          1e-20F, -3e-9F, 3e38F, -3e38F, 6,         -0.5F,      88.5F, -87.0F,
                          -13.0F, 9.0F,   20.0F, -20.0F, 0.7071F,   -0.75179F,  2,     -5.9F};

Floats RandomFloats(std::size_t n, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-10, 5);
  Floats x(n);
  for (float& entry : x) entry = std::ldexp(normal(random), exponent(random));
  return x;
}

void CheckCase(const OpCase& c, float a, float b, float y, double truth, float naive) {
  if (c.ulps == 0) {
    EXPECT_TRUE(SameBits(y, naive)) << a << ", " << b << ": " << y << " not " << naive;
    return;
  }
  if (std::isnan(naive) || std::isnan(truth)) {
    EXPECT_TRUE(std::isnan(y)) << a << ", " << b << ": " << y;
    return;
  }
  if (std::isinf(naive) || std::isinf(static_cast<float>(truth))) {  // or an intermediate value is
    EXPECT_EQ(y, naive) << a << ", " << b;
    return;
  }
  const double relative =
      (c.ulps + c.by_a * std::min(std::abs(static_cast<double>(a)), 200.0)) * std::abs(truth);
  const double other = c.by_b == 0 ? 0 : c.by_b * std::abs(static_cast<double>(b));
  const double bound = (relative + other) * 0x1p-23;
  EXPECT_LE(std::abs(static_cast<double>(y) - truth), bound + 0x1p-124)
      << a << ", " << b << ": " << y << " not " << truth;
}

class Pointwise : public ::testing::TestWithParam<Target> {};

TEST_P(Pointwise, OperationsAreTheNaiveKernels) {
  std::mt19937_64 random(7);
  for (const OpCase& c : kCases) {
    SCOPED_TRACE(static_cast<int>(c.op));
    Floats a = RandomFloats(4099, random);
    Floats b = RandomFloats(4099, random);
    for (const float left : kSpecial) {
      for (const float right : kSpecial) {
        a.push_back(left);
        b.push_back(right);
      }
    }
    const bool of_output = c.op == PointOp::kSigmoidGrad || c.op == PointOp::kTanhGrad;
    if (of_output) {
      for (float& entry : a)
        entry = std::clamp(entry, c.op == PointOp::kTanhGrad ? -1.F : 0.F, 1.F);
    }
    const PointInstruction instruction = {c.op, 0, 0, 0, c.alpha, c.beta};
    const Floats y = RunOne(GetParam(), instruction, a, b);
    const Floats naive = Reference(instruction, a, b);
    const std::vector<double> truth =
        Reference(instruction, std::vector<double>(a.begin(), a.end()),
                  std::vector<double>(b.begin(), b.end()));
    for (std::size_t i = 0; i < a.size(); ++i) {
      CheckCase(c, a[i], b[i], y[i], truth[i], naive[i]);
      if (HasFailure()) return;
    }
  }
}

TEST_P(Pointwise, ChoosesBetweenTwo) {
  Floats a;
  Floats b;
  Floats c;
  for (const float truth : kSpecial) {
    for (const float left : kSpecial) {
      for (const float right : kSpecial) {
        a.push_back(truth);
        b.push_back(left);
        c.push_back(right);
      }
    }
  }
  const Floats y = RunOne(GetParam(), {PointOp::kChoose, 0, 0, 0, 0, 0}, a, b, c);
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_TRUE(SameBits(y[i], a[i] != 0 ? b[i] : c[i])) << a[i] << ", " << b[i] << ", " << c[i];
  }
}

// The result for a number is the same bits wherever it stands.
TEST_P(Pointwise, PlacesDoNotMatter) {
  std::mt19937_64 random(8);
  const Floats a = RandomFloats(100, random);
  const Floats b = RandomFloats(100, random);
  for (const OpCase& c : kCases) {
    const PointInstruction instruction = {c.op, 0, 0, 0, c.alpha, c.beta};
    const Floats all = RunOne(GetParam(), instruction, a, b);
    for (std::size_t begin = 0; begin < 100; begin += 7) {
      for (const std::size_t n : {1U, 5U, 16U, 17U, 33U}) {
        if (begin + n > 100) continue;
        const auto from = static_cast<std::ptrdiff_t>(begin);
        const auto to = static_cast<std::ptrdiff_t>(begin + n);
        const Floats part =
            RunOne(GetParam(), instruction, Floats(a.begin() + from, a.begin() + to),
                   Floats(b.begin() + from, b.begin() + to));
        for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(SameBits(part[i], all[begin + i]));
      }
    }
  }
}

// A program and the memory of its inputs.
struct Case {
  PointProgram program;
  std::vector<PointInput> inputs;
  std::vector<PointInstruction> instructions;
  std::vector<std::uint8_t> outputs;
  std::vector<Floats> memory;
  std::vector<bool> dense;
  std::size_t total = 1;
};

std::size_t Draw(std::mt19937_64& random, std::size_t n) {
  return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
}

void DrawInputs(std::mt19937_64& random, Case& c) {
  const std::size_t count = 1 + Draw(random, 4);
  for (std::size_t i = 0; i < count; ++i) {
    // Dense, all broadcast, some axes broadcast, or an outer axis with a gap.
    const std::size_t kind = Draw(random, 4);
    PointInput input;
    std::size_t stride = 1;
    for (std::size_t axis = c.program.axes; axis-- > 0;) {
      const bool broadcast = kind == 1 || (kind == 2 && Draw(random, 2) == 0);
      input.strides[axis] = broadcast ? 0 : stride;
      if (!broadcast) stride *= c.program.sizes[axis];
      if (kind == 3) stride += 3;
    }
    c.inputs.push_back(input);
    c.memory.push_back(RandomFloats(stride, random));
    c.dense.push_back(kind == 0);
  }
}

Case DrawCase(std::mt19937_64& random) {
  const std::size_t sizes[] = {1, 1, 2, 3, 4, 5, 7, 16, 17, 49, 64, 130};
  const std::size_t rows[] = {1, 2, 4, 10, 16, 49, 511, 512, 777, 1024, 1500};
  Case c;
  c.program.axes = 1 + Draw(random, kPointAxesMax);
  for (std::size_t axis = 0; axis < c.program.axes; ++axis) {
    const bool last = axis + 1 == c.program.axes;
    std::size_t size =
        last ? rows[Draw(random, std::size(rows))] : sizes[Draw(random, std::size(sizes))];
    if (c.total * size > 40000) size = 2;
    c.program.sizes[axis] = size;
    c.total *= size;
  }
  DrawInputs(random, c);
  // Any operation, or one of those that are paired, on registers that have a value.
  const PointOp common[] = {PointOp::kAdd,  PointOp::kMul,         PointOp::kLeakyRelu,
                            PointOp::kClip, PointOp::kSigmoidGrad, PointOp::kScale,
                            PointOp::kSub,  PointOp::kSigmoid,     PointOp::kLeakyReluGrad,
                            PointOp::kSilu, PointOp::kSiluGrad,    PointOp::kChoose};
  std::size_t known = c.inputs.size();
  const std::size_t count = 1 + Draw(random, 8);
  for (std::size_t k = 0; k < count; ++k) {
    const OpCase& any = kCases[Draw(random, std::size(kCases))];
    PointInstruction instruction = {any.op, 0, 0, 0, any.alpha, any.beta};
    if (Draw(random, 3) > 0) {
      instruction.op = common[Draw(random, std::size(common))];
      instruction.alpha = Draw(random, 2) == 0 ? 0.0F : 0.125F;
      instruction.beta = Draw(random, 2) == 0 ? 0.0F : 1.5F;
    }
    // The last result often, as chains do.
    const bool chain = k > 0 && Draw(random, 2) == 0;
    instruction.a =
        chain ? c.instructions.back().dst : static_cast<std::uint8_t>(Draw(random, known));
    instruction.b = static_cast<std::uint8_t>(Draw(random, known));
    instruction.c = static_cast<std::uint8_t>(Draw(random, known));
    if (chain && Draw(random, 2) == 0) std::swap(instruction.a, instruction.b);
    if (chain && Draw(random, 3) == 0) std::swap(instruction.a, instruction.c);
    const std::size_t limit = std::min(known + 1, kPointRegistersMax);
    instruction.dst =
        static_cast<std::uint8_t>(Draw(random, 3) == 0 ? Draw(random, limit) : limit - 1);
    known = std::max<std::size_t>(known, instruction.dst + std::size_t{1});
    c.instructions.push_back(instruction);
  }
  c.outputs.push_back(c.instructions.back().dst);
  while (Draw(random, 3) == 0) c.outputs.push_back(static_cast<std::uint8_t>(Draw(random, known)));
  return c;
}

// The input's numbers, in the order of the box.
Floats Expand(const Case& c, std::size_t input) {
  Floats all(c.total);
  for (std::size_t i = 0; i < c.total; ++i) {
    std::size_t rest = i;
    std::size_t at = 0;
    for (std::size_t axis = c.program.axes; axis-- > 0;) {
      at += rest % c.program.sizes[axis] * c.inputs[input].strides[axis];
      rest /= c.program.sizes[axis];
    }
    all[i] = c.memory[input][at];
  }
  return all;
}

std::vector<Floats> Expected(Target target, const Case& c) {
  std::vector<Floats> registers(kPointRegistersMax);
  for (std::size_t i = 0; i < c.inputs.size(); ++i) registers[i] = Expand(c, i);
  for (const PointInstruction& instruction : c.instructions) {
    const Floats& a = registers[instruction.a];
    const Floats& b = registers[instruction.b];
    registers[instruction.dst] = RunOne(target, instruction, a, b, registers[instruction.c]);
  }
  std::vector<Floats> outputs;
  for (const std::uint8_t output : c.outputs) outputs.push_back(registers[output]);
  return outputs;
}

// With `in_place`, outputs are given the memory of dense inputs, in a random order.
void CheckProgram(Target target, Case& c, bool in_place, std::mt19937_64& random) {
  c.program.inputs = c.inputs;
  c.program.instructions = c.instructions;
  c.program.outputs = c.outputs;
  std::vector<Guarded> memory;
  for (const Floats& entry : c.memory) memory.emplace_back(entry);
  std::vector<std::size_t> free;
  for (std::size_t i = 0; in_place && i < c.inputs.size(); ++i) {
    if (c.dense[i]) free.push_back(i);
  }
  std::shuffle(free.begin(), free.end(), random);
  std::vector<std::size_t> place;
  for (std::size_t o = 0; o < c.outputs.size(); ++o) {
    if (o < free.size()) {
      place.push_back(free[o]);
    } else {
      place.push_back(memory.size());
      memory.emplace_back(c.total);
    }
  }
  std::vector<const float*> inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) inputs.push_back(memory[i].data());
  std::vector<float*> outputs;
  for (const std::size_t at : place) outputs.push_back(memory[at].data());
  RunProgram(target, c.program, inputs, outputs);
  for (Guarded& entry : memory) entry.Check();
  const std::vector<Floats> expected = Expected(target, c);
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    for (std::size_t i = 0; i < c.total; ++i) {
      ASSERT_TRUE(SameBits(outputs[o][i], expected[o][i]))
          << "output " << o << " at " << i << ": " << outputs[o][i] << " not " << expected[o][i];
    }
  }
}

TEST_P(Pointwise, ProgramsAreTheirInstructions) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    Case c = DrawCase(random);
    CheckProgram(GetParam(), c, round % 2 == 1, random);
    if (HasFailure()) return;
  }
}

TEST_P(Pointwise, NothingIsDoneToNothing) {
  PointProgram program;
  program.axes = 2;
  program.sizes = {4, 0};
  const PointInput input;
  const PointInstruction add = {PointOp::kAdd, 1, 0, 0, 0, 0};
  const std::uint8_t output = 1;
  program.inputs = {&input, 1};
  program.instructions = {&add, 1};
  program.outputs = {&output, 1};
  Guarded x(Floats{1});
  Guarded y(Floats{});
  RunProgram(GetParam(), program, {x.data()}, {y.data()});
  y.Check();
}

std::vector<Target> FastTargets() {
  const auto targets = AvailableTargets();
  return {targets.begin() + 1, targets.end()};
}

INSTANTIATE_TEST_SUITE_P(Targets, Pointwise, ::testing::ValuesIn(FastTargets()),
                         [](const auto& target) { return TargetName(target.param); });

}  // namespace
}  // namespace anchorhold::simd
