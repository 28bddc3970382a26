// The host's folder: ciphertext, the ledger's sealed log, and what other programs may want to know
// of a running host. docs/enclave.md lists the files.
#pragma once

#include <filesystem>
#include <string>

#include "untrusted/host/files.h"

namespace anchorhold::host {

// A state folder that this process alone uses.
class StateFolder {
 public:
  // Makes the folder (0700) if need be and locks it. kUnavailable if another host has it.
  static Result<StateFolder> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

 private:
  StateFolder(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  UniqueFd lock_;
};

// What host.json and the ready line say.
struct HostInfo {
  std::string address;
  int pid = 0;
  int enclave_pid = 0;
  std::string
      measurement;  // hex; the host's word, which no client takes: clients appraise evidence
  std::string platform;
};
// {"address": ..., "pid": ..., "enclave_pid": ..., "measurement": ..., "platform": ...}, one line.
std::string FormatHostInfo(const HostInfo& info);
// {"error": ...}, one line.
std::string FormatHostError(const std::string& message);

}  // namespace anchorhold::host
