// The narrow float formats as numbers: IEEE 754 binary16, and bfloat16, the upper half of a
// binary32. Rounding is to the nearest, ties to even; beyond the range it is an infinity.
#pragma once

#include <cstdint>

namespace anchorhold::client {

std::uint16_t ToHalf(double value);
double FromHalf(std::uint16_t bits);
// The nearest number that bfloat16 has.
double RoundToBFloat(double value);

}  // namespace anchorhold::client
