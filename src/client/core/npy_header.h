// The header of a .npy file; see npy.h for the format.
#pragma once

#include "shared/base/bytes.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

struct NpyHeader {
  graph::ElementType element = graph::ElementType::kFloat32;
  std::size_t width = 0;  // bytes an element
  bool fortran_order = false;
  graph::Shape shape;          // sizes of 0 or more; the product is not checked
  std::size_t data_begin = 0;  // in the file
};

// Errors as for ParseNpy.
Result<NpyHeader> ParseNpyHeader(ByteSpan file);

// Everything of a version 1.0 file in C order that comes before the data.
Bytes NpyHeaderBytes(graph::ElementType element, const graph::Shape& shape);

}  // namespace anchorhold::client
