// Answers the enclave's calls to its store (shared/wire/window.h).
#pragma once

#include <filesystem>
#include <string>

#include "shared/wire/window.h"
#include "untrusted/attesters/evidence_device.h"
#include "untrusted/host/blob_folder.h"
#include "untrusted/host/log_file.h"

namespace anchorhold::host {

class StoreServer {
 public:
  // Opens what is under the folder `state`; makes what is missing. `device` makes the evidence and
  // outlives the server; null: the platform is insecure-simulated, whose secret (32 random bytes,
  // written once) lies in the folder too.
  static Result<StoreServer> Open(const std::filesystem::path& state, EvidenceDevice* device);

  // One call, answered.
  wire::StoreReply Answer(const wire::StoreRequest& request);
  // Answers calls from `fd` until the enclave closes it (Ok) or breaks the protocol.
  Status Serve(int fd);

 private:
  StoreServer(std::filesystem::path state, EvidenceDevice* device, Bytes secret, BlobFolder blobs,
              LogFile log);
  Result<Bytes> HandleEvidence(const wire::StoreRequest& request);
  Result<Bytes> Handle(const wire::StoreRequest& request);
  Result<Bytes> HandleBlob(const wire::StoreRequest& request);
  Result<Bytes> HandleLog(const wire::StoreRequest& request);

  std::filesystem::path state_;
  EvidenceDevice* device_;
  Bytes secret_;
  BlobFolder blobs_;
  LogFile log_;
};

}  // namespace anchorhold::host
