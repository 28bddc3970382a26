// Sealed objects: header parser, and the opener with the key of the golden file.
#include <algorithm>

#include "shared/base/check.h"
#include "shared/wire/sealed_object.h"

namespace {

using anchorhold::ByteSpan;

const anchorhold::crypto::HpkePrivateKey& Recipient() {
  static const auto key = anchorhold::crypto::HpkePrivateKey::Derive(
                              anchorhold::crypto::SecretBytes::CopyOf(
                                  anchorhold::AsBytes("a test-only recipient of the golden file")))
                              .value();
  return key;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold::wire;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const ByteSpan header = input.first(std::min(size, kSealedHeaderBytes));
  const auto parsed = ParseSealedHeader(header);
  auto opener = ObjectOpener::Create(Recipient(), Content::kDataset, header);
  AH_CHECK(parsed.ok() || !opener.ok());
  if (!opener.ok()) return 0;
  ByteSpan rest = input.subspan(kSealedHeaderBytes);
  bool good = true;
  for (std::uint64_t i = 0; good && i < opener->layout().chunk_count(); ++i) {
    const std::size_t bytes = std::min(rest.size(), opener->layout().SealedBytesOf(i));
    const auto chunk = opener->OpenNext(rest.first(bytes));
    AH_CHECK(!chunk.ok() || chunk->size() == opener->layout().PlaintextBytesOf(i));
    rest = rest.subspan(bytes);
    good = chunk.ok();
  }
  const auto id = opener->Finish();
  AH_CHECK(id.ok() == good);
  const auto whole = id.ok() ? OpenObject(Recipient(), Content::kDataset, *id, input)
                             : OpenObject(Recipient(), Content::kDataset, ObjectId{}, input);
  AH_CHECK(whole.ok() == (good && rest.empty()));
  return 0;
}
