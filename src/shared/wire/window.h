// The enclave's one window: two stream sockets, inherited from the host that started it. Everything
// the host says here is untrusted: lengths are bounded, replies are checked, ciphertext is
// verified.
//
// Integers are big-endian.
//
// Relay (descriptor kRelayFd), both directions: bytes of client connections, multiplexed.
//   frame = connection(u32) kind(u8) size(u32, at most limits::kRelayFrameBytesMax) payload
//   kOpen   host to enclave: a client has connected; ids start at 1 and are never reused
//   kData   bytes of the connection, in order; the only kind with a payload
//   kClose  no more bytes either way
//   kReady  enclave to host, once, connection 0: locked in and serving
//   kStop   host to enclave, connection 0: end now (state is already durable)
//
// Store (descriptor kStoreFd): remote calls, one at a time, the enclave asks and the host answers.
//   request = size(u32) op(u8) payload       reply = size(u32) status(u8) payload
//   size counts what follows it, at most kStoreFrameBytesMax.
//   status 0: done; 1: not found; 2: failed (payload: one line of text; a full disk, say)
//
//   kLaunch        ()                                  -> platform name(sized) secret(sized)
//                  secret: 32 bytes for insecure-simulated, none for hardware
//   kBlobBegin     ()                                  -> upload(u64)
//   kBlobAppend    upload(u64) bytes                   -> ()
//   kBlobCommit    upload(u64) object id(32)           -> ()   durable (fsync of file and folder)
//   kBlobAbort     upload(u64)                         -> ()
//   kBlobRead      object id(32) offset(u64) count(u32)-> bytes, fewer only at the end
//   kLogAppend     index(u64) record                   -> ()   durable
//   kLogRead       index(u64)                          -> record, or not found past the end
//   kAnchorRead    ()                                  -> bytes, or not found
//   kAnchorWrite   bytes                               -> ()   durable, atomic
//   kEvidence      report data(64)                     -> evidence body (attest/carried.h)
#pragma once

#include <cstdint>

#include "shared/base/bytes.h"
#include "shared/base/limits.h"

namespace anchorhold::wire {

inline constexpr int kRelayFd = 3;
inline constexpr int kStoreFd = 4;
inline constexpr std::size_t kRelayHeaderBytes = 9;
inline constexpr std::size_t kStoreFrameBytesMax = 2 * limits::kMiB;

enum class RelayKind : std::uint8_t { kOpen = 1, kData = 2, kClose = 3, kReady = 4, kStop = 5 };

struct RelayHeader {
  std::uint32_t connection = 0;
  RelayKind kind = RelayKind::kData;
  std::uint32_t size = 0;
};
// Refuses unknown kinds, sizes over the limit, payloads where there must be none, and connection 0
// where there must be a client's (and the reverse).
Result<RelayHeader> ParseRelayHeader(ByteSpan nine_bytes);
// Precondition: what ParseRelayHeader would accept.
Bytes SerializeRelayFrame(std::uint32_t connection, RelayKind kind, ByteSpan payload);

enum class StoreOp : std::uint8_t {
  kLaunch = 1,
  kBlobBegin = 2,
  kBlobAppend = 3,
  kBlobCommit = 4,
  kBlobAbort = 5,
  kBlobRead = 6,
  kLogAppend = 7,
  kLogRead = 8,
  kAnchorRead = 9,
  kAnchorWrite = 10,
  kEvidence = 11,
};
enum class StoreStatus : std::uint8_t { kDone = 0, kNotFound = 1, kFailed = 2 };

struct StoreRequest {
  StoreOp op = StoreOp::kLaunch;
  Bytes payload;
};
struct StoreReply {
  StoreStatus status = StoreStatus::kDone;
  Bytes payload;
};
// Frames with their size; the parsers take what follows the size field. Precondition: payloads
// shorter than kStoreFrameBytesMax. What a payload holds is its reader's to check.
Bytes SerializeStoreRequest(StoreOp op, ByteSpan payload);
Bytes SerializeStoreReply(StoreStatus status, ByteSpan payload);
Result<StoreRequest> ParseStoreRequest(ByteSpan body);
Result<StoreReply> ParseStoreReply(ByteSpan body);

}  // namespace anchorhold::wire
