// The command groups, in the order of the help.
#pragma once

#include "client/cli/app.h"

namespace anchorhold::client {

void AddServerCommands(App& app, CLI::App& cli);       // up, down, status
void AddIdentityCommands(App& app, CLI::App& cli);     // keygen, key
void AddAttestationCommands(App& app, CLI::App& cli);  // measure, policy, attest
void AddEvidenceCommands(App& app, CLI::App& cli);
void AddEndorsementsCommands(App& app, CLI::App& cli);
void AddContractCommands(App& app, CLI::App& cli);
void AddDataCommands(App& app, CLI::App& cli);
void AddModelCommands(App& app, CLI::App& cli);
void AddTrainCommand(App& app, CLI::App& cli);
void AddJobsCommands(App& app, CLI::App& cli);
void AddReceiptCommands(App& app, CLI::App& cli);
void AddDpCommands(App& app, CLI::App& cli);
void AddVersionCommand(App& app, CLI::App& cli);

}  // namespace anchorhold::client
