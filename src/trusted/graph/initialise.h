// Initial values of parameters for which a model's file has no numbers. Each is drawn by how the
// graph uses the parameter, seen through reshapes, transpositions and the like:
//
//   weight of a product   uniform in +-1/sqrt(fan_in), fan_in the numbers that one sum of the
//                         product takes in: the inner axis of a matrix product, channels of a group
//                         times the kernel's size of a convolution. This is PyTorch's default, He
//                         et al. 2015, "Delving Deep into Rectifiers", section 2.2, with a =
//                         sqrt(5). Of a transposed convolution, as in PyTorch, output channels of a
//                         group times the kernel's size.
//   bias                  of a product: the same bound, also PyTorch's; of anything else: 0
//   embedding table       normal with mean 0 and variance 1
//   scale                 1: the gain of a normalisation
//
// A parameter with several uses takes the first in this order: weight, embedding, scale, bias.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

// The seed that the importer uses.
inline constexpr std::uint64_t kInitialSeed = 1;

// Draws the values of all parameters with carried == false; the others stay. The draws of each
// parameter are a function of the seed and its place in `parameters`. kUnsupported, naming the
// parameter and its use, if none of the above applies.
Status InitialiseParameters(const Graph& graph, std::uint64_t seed,
                            std::vector<Parameter>& parameters);

// The model with such parameters drawn from another seed. kInvalidInput if its file has the numbers
// of all of them.
Result<Model> Initialise(const Model& model, std::uint64_t seed);

}  // namespace anchorhold::graph
