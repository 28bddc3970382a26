#include "shared/attest/tpm2_pcrs.h"

#include <algorithm>

#include "shared/attest/little_reader.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kJsonBytesMax = 64 * 1024;
constexpr std::size_t kEventsMax = 65'536;
constexpr std::size_t kBanksMax = 16;
constexpr std::size_t kDigestBytesMax = 64;
constexpr std::uint32_t kNoAction = 3;
constexpr std::size_t kSha1Bytes = 20;
constexpr std::string_view kEndsEarly = "an event log that ends too early";
constexpr std::string_view kAgileSignature("Spec ID Event03\0", 16);
constexpr std::string_view kLocalitySignature("StartupLocality\0", 16);

// "0" to "23", in one way.
Result<std::uint8_t> ParsePcr(std::string_view text) {
  for (std::uint8_t pcr = 0; pcr < kTpm2Pcrs; ++pcr) {
    if (text == std::to_string(pcr)) return pcr;
  }
  return InvalidInput("a PCR that is not 0 to 23");
}

struct Event {
  std::uint32_t pcr = 0;
  std::uint32_t type = 0;
  std::vector<std::pair<std::uint16_t, ByteSpan>> digests;  // by the hash's number
  ByteSpan data;
};

class LogReplay {
 public:
  explicit LogReplay(ByteSpan log) : reader_(log, kEndsEarly) {}

  Result<Tpm2EventLog> Run() {
    AH_ASSIGN_OR_RETURN(const Event first, ReadOldEvent());
    const bool agile = first.type == kNoAction && first.data.size() >= kAgileSignature.size() &&
                       AsText(first.data.first(kAgileSignature.size())) == kAgileSignature;
    if (agile) {
      AH_RETURN_IF_ERROR(ReadBanks(first.data.subspan(kAgileSignature.size())));
      ++log_.events;
    } else {
      AH_RETURN_IF_ERROR(Apply(first));
    }
    while (!reader_.AtEnd()) {
      AH_ASSIGN_OR_RETURN(const Event event, agile ? ReadAgileEvent() : ReadOldEvent());
      AH_RETURN_IF_ERROR(Apply(event));
    }
    return std::move(log_);
  }

 private:
  Result<Event> ReadOldEvent() {
    Event event;
    AH_ASSIGN_OR_RETURN(event.pcr, reader_.U32());
    AH_ASSIGN_OR_RETURN(event.type, reader_.U32());
    AH_ASSIGN_OR_RETURN(const ByteSpan digest, reader_.Take(kSha1Bytes));
    event.digests.emplace_back(static_cast<std::uint16_t>(Tpm2Hash::kSha1), digest);
    AH_ASSIGN_OR_RETURN(const std::uint32_t size, reader_.U32());
    AH_ASSIGN_OR_RETURN(event.data, reader_.Take(size));
    return event;
  }

  Result<Event> ReadAgileEvent() {
    Event event;
    AH_ASSIGN_OR_RETURN(event.pcr, reader_.U32());
    AH_ASSIGN_OR_RETURN(event.type, reader_.U32());
    AH_ASSIGN_OR_RETURN(const std::uint32_t count, reader_.U32());
    if (count != digest_bytes_.size()) return InvalidInput("an event without a digest for a bank");
    for (std::uint32_t i = 0; i < count; ++i) {
      AH_ASSIGN_OR_RETURN(const std::uint16_t id, reader_.U16());
      const auto known = digest_bytes_.find(id);
      const bool again = std::any_of(event.digests.begin(), event.digests.end(),
                                     [&](const auto& other) { return other.first == id; });
      if (known == digest_bytes_.end() || again) {
        return InvalidInput("an event with a digest for no bank, or two for one");
      }
      AH_ASSIGN_OR_RETURN(const ByteSpan digest, reader_.Take(known->second));
      event.digests.emplace_back(id, digest);
    }
    AH_ASSIGN_OR_RETURN(const std::uint32_t size, reader_.U32());
    AH_ASSIGN_OR_RETURN(event.data, reader_.Take(size));
    return event;
  }

  Status ReadBanks(ByteSpan data) {
    LittleReader reader(data, kEndsEarly);
    AH_RETURN_IF_ERROR(reader.Take(8));  // class, version, errata, word size
    AH_ASSIGN_OR_RETURN(const std::uint32_t count, reader.U32());
    if (count == 0 || count > kBanksMax)
      return InvalidInput("an event log of no or too many banks");
    for (std::uint32_t i = 0; i < count; ++i) {
      AH_ASSIGN_OR_RETURN(const std::uint16_t id, reader.U16());
      AH_ASSIGN_OR_RETURN(const std::uint16_t size, reader.U16());
      const auto known = Tpm2HashFromId(id);
      if (size == 0 || size > kDigestBytesMax || (known.ok() && size != Tpm2HashBytes(*known))) {
        return InvalidInput("an event log with a digest of another length than its hash");
      }
      if (!digest_bytes_.emplace(id, size).second) {
        return InvalidInput("an event log with a bank twice");
      }
    }
    AH_ASSIGN_OR_RETURN(const std::uint8_t vendor_bytes, reader.U8());
    AH_RETURN_IF_ERROR(reader.Take(vendor_bytes));
    if (!reader.AtEnd()) return InvalidInput("an event log whose first event says more");
    return Ok();
  }

  Status Apply(const Event& event) {
    if (++log_.events > kEventsMax) return LimitExceeded("an event log of too many events");
    if (event.type == kNoAction) return ApplyNoAction(event);
    if (event.pcr >= kTpm2Pcrs) return InvalidInput("an event of a PCR over 23");
    const auto pcr = static_cast<std::uint8_t>(event.pcr);
    for (const auto& [id, digest] : event.digests) {
      const auto hash = Tpm2HashFromId(id);
      if (!hash.ok()) continue;  // a bank that is unknown here
      Bytes extended = Register(*hash, pcr);
      AppendBytes(extended, digest);
      Register(*hash, pcr) = Tpm2Digest(*hash, extended);
    }
    return Ok();
  }

  Status ApplyNoAction(const Event& event) {
    const std::size_t size = kLocalitySignature.size();
    if (event.pcr != 0 || event.data.size() != size + 1 ||
        AsText(event.data.first(size)) != kLocalitySignature) {
      return Ok();
    }
    for (const auto& [bank, registers] : log_.replayed) {
      if (registers.contains(0)) return InvalidInput("a start that follows an event of PCR 0");
    }
    locality_ = event.data[size];
    return Ok();
  }

  Bytes& Register(Tpm2Hash hash, std::uint8_t pcr) {
    auto& registers = log_.replayed[hash];
    const auto [at, made] = registers.emplace(pcr, Bytes(Tpm2HashBytes(hash)));
    if (made && pcr == 0) at->second.back() = locality_;
    return at->second;
  }

  LittleReader reader_;
  std::map<std::uint16_t, std::size_t> digest_bytes_;
  std::byte locality_{0};
  Tpm2EventLog log_;
};

}  // namespace

Result<Tpm2PcrValues> ReadTpm2PcrValues(ByteSpan json) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue document, wire::ParseJson(json, kJsonBytesMax));
  AH_ASSIGN_OR_RETURN(const auto banks, document.Object());
  Tpm2PcrValues out;
  for (const wire::JsonMember& bank : banks) {
    AH_ASSIGN_OR_RETURN(const Tpm2Hash hash, ParseTpm2Hash(bank.key));
    AH_ASSIGN_OR_RETURN(const auto registers, bank.value.Object());
    for (const wire::JsonMember& member : registers) {
      AH_ASSIGN_OR_RETURN(const std::uint8_t pcr, ParsePcr(member.key));
      AH_ASSIGN_OR_RETURN(const std::string_view hex, member.value.String());
      AH_ASSIGN_OR_RETURN(Bytes value, FromHex(hex));
      if (value.size() != Tpm2HashBytes(hash)) {
        return InvalidInput("a PCR's value that has not the length of its bank's hash");
      }
      out[hash][pcr] = std::move(value);
    }
  }
  return out;
}

Result<Bytes> DigestPcrs(std::span<const Tpm2PcrSelection> selections, const Tpm2PcrValues& values,
                         Tpm2Hash hash) {
  Bytes all;
  for (const Tpm2PcrSelection& selection : selections) {
    const auto bank = values.find(selection.bank);
    for (const std::uint8_t pcr : selection.pcrs) {
      if (bank == values.end() || !bank->second.contains(pcr)) {
        return InvalidInput("the value of PCR " + std::to_string(pcr) + " is missing");
      }
      AppendBytes(all, bank->second.at(pcr));
    }
  }
  return Tpm2Digest(hash, all);
}

bool HasOthers(std::span<const Tpm2PcrSelection> selections, const Tpm2PcrValues& values) {
  std::size_t selected = 0;
  std::size_t given = 0;
  for (const auto& [bank, registers] : values) {
    given += registers.size();
    for (const Tpm2PcrSelection& selection : selections) {
      if (selection.bank != bank) continue;
      for (const std::uint8_t pcr : selection.pcrs) selected += registers.count(pcr);
    }
  }
  return given != selected;
}

Claim Tpm2PcrClaims(const Tpm2PcrValues& values) {
  Claim out = Claim::Map();
  for (const auto& [bank, registers] : values) {
    Claim next = Claim::Map();
    for (const auto& [pcr, value] : registers) next.Add(std::to_string(pcr), Claim::Hex(value));
    out.Add(Tpm2HashName(bank), std::move(next));
  }
  return out;
}

Result<Tpm2EventLog> ReplayTpm2EventLog(ByteSpan log) { return LogReplay(log).Run(); }

}  // namespace anchorhold::attest
