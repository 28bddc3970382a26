// NumPy's files of one array (.npy), as numpy.save writes them: numpy/lib/format.py describes them.
//
//   file   = 0x93 "NUMPY" major minor header-length header data
//   header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }" spaces newline
//
// Format versions 1.0 (length of two bytes, little-endian), 2.0 and 3.0 (four). The header is a
// literal of the language Python; read is the part of it that NumPy writes for plain arrays:
// exactly the three keys above, in any order. Element types: f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8,
// b1, all little-endian.
#pragma once

#include <string>

#include "shared/base/bytes.h"
#include "shared/base/limits.h"
#include "trusted/graph/interpreter.h"

namespace anchorhold::client {

inline constexpr std::size_t kNpyBytesMax = 4 * limits::kGiB;

// An array: reals as double, integers and truth values as int64 (a uint64 beyond it wraps).
using Array = graph::Tensor<double>;

// Fortran order becomes C order; axes of size 0 are legal. kInvalidInput for bytes that are no such
// file, or whose data is shorter or longer than the shape says; kUnsupported, with the remedy, for
// big-endian, complex, text, structured and pickled arrays; kLimitExceeded over the limits on rank
// and elements.
Result<Array> ParseNpy(ByteSpan file);
Result<Array> ReadNpyFile(const std::string& path);  // errors name the path

// Version 1.0 in C order, the data at a multiple of 64. bfloat16, which NumPy lacks, is written as
// float32; float16 is rounded.
Bytes WriteNpy(const Array& array);

}  // namespace anchorhold::client
