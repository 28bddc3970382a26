// ONNX models: import, check, and differentiate what was accepted.
#include <cstddef>
#include <cstdint>
#include <span>

#include "shared/base/check.h"
#include "trusted/graph/autodiff.h"
#include "trusted/graph/graph.h"

using anchorhold::graph::CheckOnnx;
using anchorhold::graph::CheckReport;
using anchorhold::graph::Differentiate;
using anchorhold::graph::ImportOnnx;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto model = ImportOnnx(bytes);
  const CheckReport report = CheckOnnx(bytes);
  AH_CHECK(report.status.ok() == model.ok());
  if (!model.ok()) {
    AH_CHECK(!model.error().message().empty());
    return 0;
  }
  // Any result will do, as long as it is one.
  (void)Differentiate(model->graph(), model->graph().outputs()[0], model->parameters().size()).ok();
  return 0;
}
