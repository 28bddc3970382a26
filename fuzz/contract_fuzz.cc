// Contracts and their signature files.
#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "shared/wire/contract.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const Result<wire::Contract> contract = wire::ParseContract(input);
  if (contract.ok()) {
    AH_CHECK(wire::CheckName(contract->dataset).ok());
    AH_CHECK(contract->public_rows >= 1 && contract->public_rows <= limits::kRowsMax);
    AH_CHECK(contract->epsilon.value() > 0);
    AH_CHECK(contract->delta.value() > 0 && contract->delta.value() < 1);
    AH_CHECK(!contract->platforms.empty() && !contract->measurements.empty());
  }
  const Result<wire::ContractSignature> signature = wire::ParseContractSignature(input);
  if (signature.ok()) {
    const std::string text = wire::FormatContractSignature(*signature);
    AH_CHECK(wire::ParseContractSignature(AsBytes(text)).ok());
  }
  return 0;
}
