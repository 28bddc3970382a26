// Session messages: a Request, as the enclave parses it from a frame, and a Response, as a client
// does. What parses can be written and parsed again.
#include <google/protobuf/stubs/logging.h>

#include <string>

#include "shared/base/check.h"
#include "shared/wire/session.pb.h"

namespace {

template <typename Message>
void Run(const std::uint8_t* data, std::size_t size) {
  Message message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return;
  const std::string written = message.SerializeAsString();
  Message again;
  AH_CHECK(again.ParseFromString(written));
  AH_CHECK(again.kind_case() == message.kind_case());
  AH_CHECK(again.SerializeAsString() == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  Run<anchorhold::wire::proto::Request>(data, size);
  Run<anchorhold::wire::proto::Response>(data, size);
  return 0;
}
