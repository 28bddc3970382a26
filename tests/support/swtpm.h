// A TPM 2.0 in software (swtpm), for as long as the object lives.
#pragma once

#include <sys/types.h>

#include <string>

namespace anchorhold::testing {

class Swtpm {
 public:
  // Starts it, with empty state. The test fails if there is no swtpm on this machine.
  Swtpm();
  ~Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  // Where it is, as tpm2-tss writes it.
  std::string tcti() const { return "swtpm:path=" + folder_ + "/tpm"; }

 private:
  std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace anchorhold::testing
