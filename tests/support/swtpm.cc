#include "tests/support/swtpm.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/command.h"

namespace anchorhold::testing {

namespace fs = std::filesystem;

Swtpm::Swtpm() {
  std::string pattern = (fs::temp_directory_path() / "anchorhold-tpm-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  // Both sockets are where tpm2-tss looks for them: the second beside the first.
  pid_ = StartCommand({"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + folder_,
                       "--server", "type=unixio,path=" + folder_ + "/tpm", "--ctrl",
                       "type=unixio,path=" + folder_ + "/tpm.ctrl", "--flags",
                       "not-need-init,startup-clear", "--seccomp", "action=none"},
                      {}, folder_ + "/log");
  for (int i = 0; i < 1000 && !fs::exists(folder_ + "/tpm"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(fs::exists(folder_ + "/tpm")) << ReadText(folder_ + "/log");
}

Swtpm::~Swtpm() {
  kill(pid_, SIGKILL);
  WaitFor(pid_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace anchorhold::testing
