#include "untrusted/host/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include <nlohmann/json.hpp>

namespace anchorhold::host {

Result<StateFolder> StateFolder::Open(const std::filesystem::path& path) {
  AH_RETURN_IF_ERROR(MakeFolder(path));
  AH_ASSIGN_OR_RETURN(UniqueFd lock, OpenFile(path / "host.lock", O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Unavailable("another anchorhold-host is using " + path.string() +
                       "; stop it (anchorhold down) or choose another --state");
  }
  return StateFolder(path, std::move(lock));
}

std::string FormatHostInfo(const HostInfo& info) {
  const nlohmann::ordered_json json = {{"address", info.address},
                                       {"pid", info.pid},
                                       {"enclave_pid", info.enclave_pid},
                                       {"measurement", info.measurement},
                                       {"platform", info.platform}};
  return json.dump() + "\n";
}

std::string FormatHostError(const std::string& message) {
  const nlohmann::ordered_json json = {{"error", message}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace anchorhold::host
