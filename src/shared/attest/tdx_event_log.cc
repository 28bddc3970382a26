#include "shared/attest/tdx_event_log.h"

#include "shared/attest/intel_document.h"
#include "shared/attest/little_reader.h"
#include "shared/base/limits.h"
#include "shared/crypto/hash.h"

namespace anchorhold::attest {
namespace {

constexpr std::uint32_t kNoAction = 3;
constexpr std::uint32_t kRuntimeEvent = 0x08000001;
constexpr std::uint16_t kSha384 = 0x000c;
constexpr std::size_t kDigestBytes = 48;
constexpr std::size_t kAlgorithmsMax = 8;
constexpr std::string_view kEndsEarly = "the event log ends early";

// Sizes of digests by the log's algorithm ids.
struct Algorithm {
  std::uint16_t id = 0;
  std::size_t bytes = 0;
};

Result<std::vector<Algorithm>> ReadFirstEvent(LittleReader& log) {
  AH_ASSIGN_OR_RETURN(const ByteSpan head, log.Take(28));
  if (Fields(head).U32(4) != kNoAction || !AllZero(head.subspan(8))) {
    return InvalidInput("the event log does not begin with its specification");
  }
  AH_ASSIGN_OR_RETURN(const std::uint32_t size, log.U32());
  AH_ASSIGN_OR_RETURN(const ByteSpan event, log.Take(size));
  LittleReader in(event, kEndsEarly);
  AH_ASSIGN_OR_RETURN(const ByteSpan signature, in.Take(16));
  if (AsText(signature) != std::string_view("Spec ID Event03\0", 16)) {
    return Unsupported("an event log of another specification");
  }
  AH_RETURN_IF_ERROR(in.Take(8));
  AH_ASSIGN_OR_RETURN(const std::uint32_t count, in.U32());
  if (count == 0 || count > kAlgorithmsMax) return LimitExceeded("an event log of many algorithms");
  std::vector<Algorithm> out;
  bool has_sha384 = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const std::uint16_t id, in.U16());
    AH_ASSIGN_OR_RETURN(const std::uint16_t bytes, in.U16());
    if (bytes == 0 || bytes > 64) return InvalidInput("a digest of another length");
    if (id == kSha384 && bytes != kDigestBytes) return InvalidInput("a SHA-384 of another length");
    has_sha384 = has_sha384 || id == kSha384;
    out.push_back({id, bytes});
  }
  if (!has_sha384) return Unsupported("an event log without SHA-384");
  AH_ASSIGN_OR_RETURN(const std::uint8_t vendor_bytes, in.U8());
  if (in.rest().size() != vendor_bytes) {
    return InvalidInput("sizes that contradict each other");
  }
  return out;
}

// The SHA-384 among an event's digests.
Result<Bytes> ReadDigests(LittleReader& log, const std::vector<Algorithm>& algorithms) {
  AH_ASSIGN_OR_RETURN(const std::uint32_t count, log.U32());
  if (count > algorithms.size()) return InvalidInput("an event with more digests than algorithms");
  Bytes out;
  for (std::uint32_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const std::uint16_t id, log.U16());
    std::size_t bytes = 0;
    for (const Algorithm& algorithm : algorithms) {
      if (algorithm.id == id) bytes = algorithm.bytes;
    }
    if (bytes == 0) return InvalidInput("a digest of an algorithm that the log does not name");
    AH_ASSIGN_OR_RETURN(const ByteSpan digest, log.Take(bytes));
    if (id != kSha384) continue;
    if (!out.empty()) return InvalidInput("an event with two digests of one algorithm");
    out = CopyBytes(digest);
  }
  if (out.empty()) return InvalidInput("an event without SHA-384");
  return out;
}

// Where the firmware has written nothing.
bool IsFiller(ByteSpan rest) {
  for (const std::byte b : rest) {
    if (b != rest.front() || (b != std::byte{0} && b != std::byte{0xff})) return false;
  }
  return true;
}

Bytes RuntimeDigest(std::uint32_t type, std::string_view name, ByteSpan payload) {
  Bytes content;
  for (int shift = 0; shift < 32; shift += 8) {
    content.push_back(static_cast<std::byte>(type >> shift & 0xff));
  }
  AppendBytes(content, AsBytes(":"));
  AppendBytes(content, AsBytes(name));
  AppendBytes(content, AsBytes(":"));
  AppendBytes(content, payload);
  return CopyBytes(crypto::Sha384(content).span());
}

}  // namespace

Result<UnverifiedEventLog> UnverifiedEventLog::ParseCcel(ByteSpan bytes) {
  UnverifiedEventLog out;
  out.format_ = "ccel";
  LittleReader log(bytes, kEndsEarly);
  AH_ASSIGN_OR_RETURN(const std::vector<Algorithm> algorithms, ReadFirstEvent(log));
  while (!IsFiller(log.rest())) {
    if (out.events_.size() == kEventsMax) return LimitExceeded("more than 16384 events");
    Event next;
    AH_ASSIGN_OR_RETURN(const std::uint32_t index, log.U32());
    AH_ASSIGN_OR_RETURN(next.type, log.U32());
    AH_ASSIGN_OR_RETURN(next.digest, ReadDigests(log, algorithms));
    AH_ASSIGN_OR_RETURN(const std::uint32_t size, log.U32());
    AH_RETURN_IF_ERROR(log.Take(size));
    if (next.type == kNoAction) continue;
    if (index < 1 || index > kRtmrs) return InvalidInput("an event of no runtime register");
    next.rtmr = index - 1;
    out.events_.push_back(std::move(next));
  }
  return out;
}

Result<UnverifiedEventLog> UnverifiedEventLog::ParseDstack(ByteSpan json) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue value,
                      wire::ParseJson(json, limits::kEvidenceFileBytesMax));
  AH_ASSIGN_OR_RETURN(const auto items, value.Array());
  if (items.size() > kEventsMax) return LimitExceeded("more than 16384 events");
  UnverifiedEventLog out;
  out.format_ = "dstack";
  for (const wire::JsonValue& item : items) {
    Event next;
    AH_ASSIGN_OR_RETURN(next.rtmr, ReadJsonNumber(item, "imr", kRtmrs - 1));
    AH_ASSIGN_OR_RETURN(next.type, ReadJsonNumber(item, "event_type", 0xffffffff));
    AH_ASSIGN_OR_RETURN(next.digest, ReadJsonHex(item, "digest", kDigestBytes));
    AH_ASSIGN_OR_RETURN(const std::string_view name, item.String("event"));
    AH_ASSIGN_OR_RETURN(const std::string_view payload, item.String("event_payload"));
    next.name = std::string(name);
    AH_ASSIGN_OR_RETURN(next.payload, FromHex(payload));
    next.states_content = next.type == kRuntimeEvent;
    out.events_.push_back(std::move(next));
  }
  return out;
}

Status UnverifiedEventLog::VerifiedBy(Appraiser& appraiser, const TdReportFields& report) const {
  std::array<Bytes, kRtmrs> rtmrs;
  rtmrs.fill(Bytes(kDigestBytes));
  for (const Event& event : events_) {
    AH_RETURN_IF_ERROR(
        appraiser.Check("event_log_digests",
                        !event.states_content ||
                            event.digest == RuntimeDigest(event.type, event.name, event.payload),
                        "the event log states another content than was measured"));
    Bytes& rtmr = rtmrs[event.rtmr];
    AppendBytes(rtmr, event.digest);
    rtmr = CopyBytes(crypto::Sha384(rtmr).span());
  }
  for (std::size_t i = 0; i < kRtmrs; ++i) {
    AH_RETURN_IF_ERROR(appraiser.Check(
        "rtmr" + std::to_string(i) + "_replay", rtmrs[i] == report.rtmrs[i],
        "the event log gives " + ToHex(rtmrs[i]) + ", and the TD has " + ToHex(report.rtmrs[i])));
  }
  return Ok();
}

Claim UnverifiedEventLog::Claims() const {
  Claim out = Claim::Map();
  out.Add("format", Claim::Text(format_));
  out.Add("events", Claim::Number(events_.size()));
  Claim stated = Claim::List();
  for (const Event& event : events_) {
    if (!event.states_content) continue;
    Claim one = Claim::Map();
    one.Add("rtmr", Claim::Number(event.rtmr));
    one.Add("event", Claim::Text(event.name));
    one.Add("payload", Claim::Hex(event.payload));
    stated.Add(std::move(one));
  }
  if (format_ == "dstack") out.Add("runtime_events", std::move(stated));
  return out;
}

Status CheckCcelTable(ByteSpan table, std::size_t log_bytes) {
  constexpr std::size_t kTableBytes = 56;
  constexpr std::uint8_t kTdx = 2;
  if (table.size() != kTableBytes) return InvalidInput("a CCEL table has 56 bytes");
  const Fields in(table);
  std::uint8_t sum = 0;
  for (const std::byte b : table) sum = static_cast<std::uint8_t>(sum + std::to_integer<int>(b));
  if (AsText(in.Span(0, 4)) != "CCEL" || in.U32(4) != kTableBytes || sum != 0) {
    return InvalidInput("not a CCEL table");
  }
  if (in.U8(36) != kTdx) return InvalidInput("the event log of another kind of guest");
  if (in.U64(40) < log_bytes) return InvalidInput("more of an event log than there is room for");
  return Ok();
}

}  // namespace anchorhold::attest
