// anchorhold: the command line. Each line below is a group of commands and a file of this folder.
#include <csignal>

#include "client/cli/commands.h"
#include "client/cli/render.h"

int main(int argc, char** argv) {
  // A server that hangs up is an error to report, and a pager that closes early ends no command
  // that still has something to write elsewhere: no signal for either.
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App cli(
      "Anchorhold trains models on data of several parties who trust neither each other nor the "
      "machine: an attested enclave does the work, differential privacy bounds what a model can "
      "say about any row, and every decision is written down.",
      "anchorhold");
  cli.require_subcommand(1);
  // An option that is given twice means the last one, as in a script that adds to a list of terms.
  cli.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  cli.formatter(std::make_shared<anchorhold::client::HelpFormatter>());
  cli.footer(
      "Exit status: 0 done; 1 something failed (network, disk, a bug): retrying may help;\n"
      "2 the command line or an input file must be corrected; 3 refused (permission, privacy,\n"
      "attestation, integrity, rollback); 141 the reader of standard output went away. Errors are\n"
      "one line on standard error, and with --json also {\"error\": {\"code\": ..., \"message\":\n"
      "...}} on standard output.\n"
      "'anchorhold COMMAND --help' tells about one command.");

  anchorhold::client::App app;
  AddServerCommands(app, cli);
  AddIdentityCommands(app, cli);
  AddAttestationCommands(app, cli);
  AddEvidenceCommands(app, cli);
  AddEndorsementsCommands(app, cli);
  AddContractCommands(app, cli);
  AddDataCommands(app, cli);
  AddModelCommands(app, cli);
  AddTrainCommand(app, cli);
  AddJobsCommands(app, cli);
  AddReceiptCommands(app, cli);
  AddDpCommands(app, cli);
  AddVersionCommand(app, cli);
  return app.Main(cli, argc, argv);
}
