// From a dataset's plaintext (safetensors) to the rows that a job reads, checked against its
// schema: width, labels in range, every number finite and within [-1, 1], at least one row. The
// checks run once at upload, so that their outcome tells the owner and nobody else.
#pragma once

#include "shared/wire/contract.h"
#include "shared/wire/schema.h"
#include "trusted/train/example_set.h"

namespace anchorhold::vault {

// A file holds "features" [rows, feature_count] and, as the schema's label says, "labels"
// (classes), "targets" (a range) or neither, and nothing else. Errors (kInvalidInput,
// kLimitExceeded) name tensors, rows and columns, never values.
Result<train::ExampleSet> ReadDataset(ByteSpan safetensors, const wire::Schema& schema);

// Refuses a dataset that its contract cannot protect (kPrivacyRefused): delta not below 1/rows, or
// more rows than public_rows, because the work of a training step is padded up to a number that
// public_rows gives; and (kInvalidInput) fewer than half of public_rows, for nobody pays for more
// padding than that.
Status CheckContractFits(const train::ExampleSet& examples, const wire::Contract& contract);

// kIntegrity unless the file was sealed for exactly this owner and contract (wire::SealedForValue).
Status CheckSealedFor(ByteSpan safetensors, const crypto::Ed25519PublicKey& owner,
                      ByteSpan contract_text);

}  // namespace anchorhold::vault
