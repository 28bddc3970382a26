// Running our own programs as a person would: arguments in, exit status and both outputs back.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace anchorhold::testing {

struct Outcome {
  int status = -1;  // exit status; 128 + signal if it was killed
  std::string out;
  std::string err;
};

// Runs to the end. `environment` is added to the present one. Standard input is empty.
Outcome RunCommand(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment = {});

// Starts and returns at once; output goes to `log_path`.
pid_t StartCommand(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment,
                   const std::string& log_path);
// The outcome's status of a started command.
int WaitFor(pid_t pid);

std::string ReadText(const std::string& path);
void WriteText(const std::string& path, const std::string& text);

}  // namespace anchorhold::testing
