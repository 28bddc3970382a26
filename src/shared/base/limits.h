// Everything has a limit. These are the sizes and counts that the product accepts, in one place, so
// that an auditor can read them and a test can go one over each.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anchorhold::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;

// The wire: one framed message between client and enclave, and one frame between host and enclave.
inline constexpr std::size_t kMessageBytesMax = 8 * kMiB;
inline constexpr std::size_t kRelayFrameBytesMax = 64 * kKiB;
inline constexpr std::size_t kConnectionsMax = 256;
inline constexpr std::size_t kHandshakeBytesMax = 64 * kKiB;

// Names that people choose: datasets. [a-z0-9-], a letter or digit first.
inline constexpr std::size_t kNameBytesMax = 64;

// Documents.
inline constexpr std::size_t kContractBytesMax = 64 * kKiB;
inline constexpr std::size_t kSchemaBytesMax = 256 * kKiB;
inline constexpr std::size_t kPolicyBytesMax = 64 * kKiB;
inline constexpr std::size_t kReceiptBytesMax = 256 * kKiB;
inline constexpr std::size_t kEvidenceBytesMax = 64 * kKiB;
inline constexpr std::size_t kEvidenceFileBytesMax = 4 * kMiB;  // one file that a client verifies
inline constexpr std::size_t kGrantsMax = 256;
inline constexpr std::size_t kColumnsMax = 4096;
inline constexpr std::size_t kClassesMax = 4096;

// Sealed objects and what they hold.
inline constexpr std::size_t kChunkBytesMax = 1 * kMiB;
inline constexpr std::size_t kObjectBytesMax = 4 * kGiB;
inline constexpr std::size_t kDatasetBytesMax = 1 * kGiB;
inline constexpr std::size_t kRowsMax = 100'000'000;
inline constexpr std::size_t kSafetensorsHeaderBytesMax = 4 * kMiB;
inline constexpr std::size_t kTensorsMax = 65'536;
inline constexpr std::size_t kJsonDepthMax = 32;

// Models.
inline constexpr std::size_t kModelBytesMax = 256 * kMiB;
inline constexpr std::size_t kGraphNodesMax = 65'536;
inline constexpr std::size_t kGraphStepsMax = 1'048'576;  // primitives, gradients included
inline constexpr std::size_t kArenaBytesMax = 2 * kGiB;   // intermediate values of one example
inline constexpr std::size_t kTensorRankMax = 8;
inline constexpr std::size_t kTensorElementsMax = 512 * kMiB;

// Jobs.
inline constexpr std::size_t kDatasetsPerJobMax = 64;
inline constexpr std::uint64_t kStepsMax = 10'000'000;
inline constexpr std::uint64_t kPooledRowsMax = 1'000'000'000;  // public rows of all datasets
inline constexpr std::size_t kQueuedJobsMax = 64;
inline constexpr std::size_t kQueuedJobsPerKeyMax = 8;
inline constexpr std::size_t kEnclaveThreadsMax = 64;  // that jobs work on

// The ledger.
inline constexpr std::size_t kLedgerEntryBytesMax = 1 * kMiB;
inline constexpr std::uint64_t kLedgerEntriesMax = 100'000'000;

}  // namespace anchorhold::limits
