// The host as a process of this machine: starting it, finding the one that runs, stopping it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"

namespace anchorhold::client {

// What a running host writes to STATE/host.json.
struct RunningHost {
  std::string address;
  pid_t pid = 0;
  pid_t enclave_pid = 0;
  std::string measurement;  // hex
  std::string platform;
};

// kInvalidInput for text that is not such a description, kUnavailable for one that reports an
// error.
Result<RunningHost> ParseHostDescription(const std::string& json);

// The host that runs on this state folder, if there is one; a file left behind by one that was
// killed is none.
Result<std::optional<RunningHost>> FindRunningHost(const std::string& state);

struct HostLaunch {
  std::string state;
  std::string listen;
  std::string enclave;
  std::string platform;
  std::string device;  // empty: where Linux has the platform's interface
  std::string vmpl;    // empty: the kernel's choice
  bool foreground = false;
};

struct StartedHost {
  RunningHost host;
  pid_t child = 0;
};
// Starts anchorhold-host, which lies beside this binary, and waits until it serves. In the
// background it has a session of its own and writes to STATE/host.log.
Result<StartedHost> StartHost(const HostLaunch& launch);

// Until a host in the foreground ends; kUnavailable, saying how, unless it ended well.
Status WaitForHost(pid_t child);

// Asks the host to end and waits until it has; kUnavailable if it does not within a minute.
Status StopHost(const RunningHost& host);

// The path of `name` in the folder where this program lies.
Result<std::string> BesideThisBinary(const std::string& name);

}  // namespace anchorhold::client
