// DER (X.690, section 10) as far as vendors' certificate extensions need it: elements one after
// another, with tags of one byte and lengths below 65536 in their shortest form.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold::attest {

enum class DerTag : std::uint8_t {
  kBoolean = 0x01,
  kInteger = 0x02,
  kOctetString = 0x04,
  kOid = 0x06,
  kEnumerated = 0x0a,
  kSequence = 0x30,
};

struct DerElement {
  std::uint8_t tag = 0;
  ByteSpan content;
  ByteSpan whole;  // with tag and length
};

class DerReader {
 public:
  explicit DerReader(ByteSpan bytes) : rest_(bytes) {}
  bool AtEnd() const { return rest_.empty(); }
  Result<DerElement> Next();
  // The content of the next element, which must have that tag.
  Result<ByteSpan> Next(DerTag tag);

 private:
  ByteSpan rest_;
};

// The content of the one element that `bytes` is.
Result<ByteSpan> ReadDer(ByteSpan bytes, DerTag tag);
// The value of an INTEGER or ENUMERATED from 0 to 65535, from its content.
Result<std::uint16_t> DerUnsigned(ByteSpan content);
Result<bool> DerBoolean(ByteSpan content);

}  // namespace anchorhold::attest
